"""A restored database takes the name of another on a real server, in one step, and gives it back."""

import random
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from dbrestore.contract.errors import SwapRefused
from dbrestore.contract.job import DatabaseServer
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.postgresql.session import Server
from dbrestore.worker.postgresql.swapping import renaming
from dbrestore.worker.postgresql.swapping.renaming import Move
from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud, Restore
from tests.databases.swapping.swap_case import Case, Clients


@pytest.fixture
def case(cloud: Cloud) -> Iterator[Case]:
    made = Case(cloud).make()
    yield made
    for name in made.names():
        cloud.drop_database(name)


@pytest.mark.parametrize("version", ["13", "14", "15", "16", "17", "18"])
def test_two_databases_change_their_names_in_one_transaction_on_every_version(clouds: Clouds, version: str) -> None:
    case = Case(clouds.of(version)).make()

    swapped, undone, again = case.run("swap"), case.run("undo"), case.run("swap", old_id=case.old_id)

    assert (swapped.is_done, swapped.error, swapped.old_id) == (True, None, case.old_id)
    assert (swapped.restored_is, swapped.old_is) == (case.name, case.kept_as)
    assert (undone.is_done, undone.restored_is, undone.old_is) == (True, case.restored_as, case.name)
    assert again.is_done
    assert (case.word(case.name), case.word(case.kept_as)) == ("new", "old")
    assert case.run("drop").old_is == ""
    assert case.names() == {case.name}
    case.cloud.drop_database(case.name)


def test_an_undo_gives_the_old_database_back_byte_for_byte(case: Case) -> None:
    case.cloud.execute("ALTER DATABASE bazaar SET work_mem TO '7MB'; COMMENT ON DATABASE bazaar IS 'it''s the bazaar'")
    before = case.cloud.dump(case.name, "-Fp", "--create", "--restrict-key=x").read_text()
    row = case.cloud.execute("SELECT d.* FROM pg_database d WHERE datname = 'bazaar'")

    case.run("swap")
    assert case.word(case.name) == "new"
    case.run("undo")

    after = case.cloud.dump(case.name, "-Fp", "--create", "--restrict-key=x").read_text()
    assert _without_moments(after) == _without_moments(before)
    assert case.cloud.execute("SELECT d.* FROM pg_database d WHERE datname = 'bazaar'") == row


def test_owner_privileges_settings_and_limits_go_over(case: Case) -> None:
    execute = case.cloud.execute
    execute("CREATE ROLE bazaar_owner; CREATE ROLE bazaar_reader; CREATE ROLE bazaar_app LOGIN; GRANT bazaar_owner TO master")
    execute(
        "ALTER DATABASE bazaar OWNER TO bazaar_owner; REVOKE ALL ON DATABASE bazaar FROM PUBLIC;"
        "GRANT CONNECT ON DATABASE bazaar TO bazaar_reader WITH GRANT OPTION; GRANT CREATE, TEMP ON DATABASE bazaar TO bazaar_app;"
        "ALTER DATABASE bazaar CONNECTION LIMIT 17;"
        'ALTER DATABASE bazaar SET search_path TO "a b", public, "it\'s ""quoted"""; '
        "ALTER DATABASE bazaar SET work_mem TO '7MB'; "
        "ALTER ROLE bazaar_app IN DATABASE bazaar SET statement_timeout TO '3s'"
    )
    was = _own(case.cloud, case.name)

    swapped = case.run("swap")

    assert (swapped.error, swapped.fix_ups) == (None, ())
    assert _own(case.cloud, case.name) == was
    assert _own(case.cloud, case.kept_as) == was
    assert was[0][1:3] == ("bazaar_owner", 17)


def test_what_can_not_be_given_is_told_and_the_rest_goes_over(case: Case) -> None:
    case.cloud.execute(
        "ALTER DATABASE bazaar SET log_statement_stats TO on; ALTER DATABASE bazaar SET my.own TO 'x';"
        "ALTER DATABASE bazaar SET work_mem TO '7MB'",
        superuser=True,
    )

    swapped = case.run("swap")

    assert swapped.is_done
    assert [note.entry for note in swapped.fix_ups] == ["SETTING log_statement_stats", "SETTING my.own"]
    assert "ALTER DATABASE" in swapped.fix_ups[0].what
    settings = case.cloud.execute(
        "SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = 'bazaar'"
    )
    assert settings == [(["work_mem=7MB"],)]


def test_verification_notes_the_identity_by_which_the_database_takes_the_name(case: Case) -> None:
    case.cloud.drop_database(case.restored_as)
    restore = Restore(case.cloud, {case.name: case.cloud.dump(case.name)}, {case.name: case.restored_as})
    restore.add_point()

    (verified,) = restore.run_all().databases

    assert verified.identity == case.oid(case.restored_as)
    swapped = case.run("swap", restored_id=verified.identity)
    assert (swapped.error, swapped.is_done, case.oid(case.name)) == (None, True, verified.identity)


def test_nothing_to_replace_is_no_obstacle_and_leaves_nothing_to_turn_back_to(case: Case) -> None:
    case.cloud.drop_database(case.name)

    swapped = case.run("swap")
    undone = case.run("undo", old_id="")

    assert (swapped.is_done, swapped.old_id, swapped.old_is) == (True, "", "")
    assert undone.error is not None
    assert undone.error.in_short.startswith("SwapRefused: no database was kept")
    assert case.names() == {case.name}


def test_sessions_are_waited_for_until_they_go(case: Case) -> None:
    session = psycopg.connect(case.cloud.dsn(case.name))
    threading.Timer(2.5, session.close).start()

    swapped = case.run("swap", sessions="wait")

    assert (swapped.is_done, swapped.error) == (True, None)
    assert swapped.seconds > 2


def test_sessions_that_stay_keep_both_names_and_are_told(case: Case) -> None:
    with psycopg.connect(case.cloud.dsn(case.name), application_name="billing"):
        kept = case.run("swap", sessions="wait", seconds=2)

    assert not kept.is_done
    assert kept.error is not None
    assert kept.error.name == "DatabaseInUse"
    assert "1 session of master (billing)" in kept.error.message
    assert kept.truth == f"'bazaar' is the database from before, the restored one is {case.restored_as!r}"


def test_a_session_that_nobody_can_end_keeps_both_names(case: Case) -> None:
    with psycopg.connect(case.cloud.server.superuser_dsn(case.name), application_name="rdsadmin"):
        kept = case.run("swap", seconds=1)

    assert kept.error is not None
    assert (kept.error.name, kept.is_done, kept.old_is) == ("DatabaseInUse", False, case.name)
    assert "rdsadmin" in kept.error.message


def test_a_prepared_transaction_keeps_both_names_and_is_named(case: Case) -> None:
    case.cloud.execute("BEGIN; CREATE TABLE later (x int); PREPARE TRANSACTION 'nightly'", case.name)

    kept = case.run("swap", seconds=1)

    assert kept.error is not None
    assert "the prepared transaction 'nightly'" in kept.error.message
    case.cloud.execute("ROLLBACK PREPARED 'nightly'", case.name)


@pytest.mark.parametrize("action", ["swap", "undo", "drop"])
def test_another_database_of_the_same_name_is_never_touched(case: Case, action: str) -> None:
    if action != "swap":
        case.run("swap")
    # Somebody drops what is meant, and makes another of its name.
    meant = case.restored_as if action == "swap" else case.kept_as
    case.cloud.drop_database(meant)
    case.cloud.create_database(meant)
    before = case.names(), case.oid(meant), case.oid(case.name)

    refused = case.run(action)

    if action != "drop":  # What was to go is gone.
        assert refused.error is not None
        assert refused.error.name == "SwapRefused"
    assert (case.names(), case.oid(meant), case.oid(case.name)) == before


def test_what_is_called_otherwise_by_now_is_neither_renamed_nor_dropped(case: Case) -> None:
    case.run("swap")
    case.cloud.execute(f"ALTER DATABASE {case.kept_as} RENAME TO bazaar_precious")

    for action in ("undo", "drop"):
        refused = case.run(action)
        assert refused.error is not None
        assert "is called 'bazaar_precious' now" in refused.error.message
    assert case.word("bazaar_precious") == "old"


def test_an_undo_takes_the_name_from_no_third_database(case: Case) -> None:
    case.run("swap")
    case.cloud.execute(f"ALTER DATABASE {case.name} RENAME TO bazaar_aside")
    case.cloud.create_database(case.name)
    before = case.names(), case.oid(case.name)

    refused = case.run("undo")

    assert refused.error is not None
    assert refused.error.name == "SwapRefused"
    assert "is another database than the restored one by now" in refused.error.message
    assert (case.names(), case.oid(case.name)) == before


def test_after_an_undo_nothing_is_dropped(case: Case) -> None:
    case.run("swap")
    case.run("undo")

    refused = case.run("drop")

    assert refused.error is not None
    assert refused.error.message.endswith("It is not dropped")
    assert case.word(case.name) == "old"


def test_a_database_whose_owner_one_may_not_act_for_is_refused_by_its_owner_s_name(case: Case) -> None:
    case.cloud.execute("ALTER DATABASE bazaar OWNER TO CURRENT_USER", superuser=True)

    refused = case.run("swap")

    assert refused.error is not None
    assert refused.error.name == "SwapRefused"
    assert "'bazaar' belongs to" in refused.error.message
    assert refused.old_is == case.name


def test_a_database_that_somebody_replaced_at_the_last_moment_keeps_its_name(case: Case) -> None:
    address = DatabaseServer(host="localhost", port=case.cloud.server.port, region="us-east-1", ca_bundle="s3://evidence/ca.pem")
    server = Server(address, case.cloud.ca_file, Credentials(lambda: Login("master", "secret"), "the secret", "put it right"))
    before = case.names(), case.oid(case.name)

    with server.connect_master() as master, pytest.raises(SwapRefused, match="no longer the database that was meant"):
        renaming.carry_out(server, master, case.swap_job("swap"), [Move(case.restored_id, case.name, case.kept_as)], lambda _: [])

    assert (case.names(), case.oid(case.name)) == before


def test_a_job_that_is_run_again_after_its_end_does_nothing_more(case: Case) -> None:
    first, second = case.run("swap"), case.run("swap")

    assert (second.is_done, second.old_id, second.old_is) == (True, first.old_id, case.kept_as)


def test_a_dozen_kills_leave_one_whole_database_under_the_name(case: Case) -> None:
    _kill_somewhere(case, random.Random(), rounds=12)


@pytest.mark.slow
# Minutes on a machine of its own; where sixteen others want its two cores, an hour was not enough.
@pytest.mark.timeout(6 * 3600)
def test_two_hundred_kills_leave_one_whole_database_under_the_name(case: Case) -> None:
    _kill_somewhere(case, random.Random(4711), rounds=200)


def _kill_somewhere(case: Case, dice: random.Random, rounds: int) -> None:
    """An exchange, or an undo, is killed before a line of it, then done by another run, with clients coming all the time."""
    lines = {"swap": case.killed(case.job_uri(case.swap_job("swap")), 0), "undo": case.killed(case.job_uri(case.swap_job("undo")), 0)}
    assert min(lines.values()) > 60
    clients = Clients(case)
    with clients.coming():
        for number in range(rounds):
            action, word = ("swap", "new") if number % 2 == 0 else ("undo", "old")
            uri = case.job_uri(case.swap_job(action))
            case.killed(uri, dice.randint(1, lines[action]))
            told = case.run(action, "discard")
            assert told.restored_is in (case.name, case.restored_as)
            assert (told.restored_is == case.name) is (case.oid(case.name) == case.restored_id)
            finished = case.finish(uri)
            assert (finished.is_done, finished.error) == (True, None)
            seen = clients.answers[word]
            _until(lambda seen=seen, word=word: clients.answers[word] > seen)
    assert clients.wrong == []
    assert sum(clients.answers.values()) > rounds
    assert {case.word(name) for name in case.names()} == {"old", "new"}


def _until(holds, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _own(cloud: Cloud, name: str) -> list[tuple]:
    """What a database has besides its content, apart from its name."""
    settings = "SELECT array_agg((setrole, setconfig)::text ORDER BY 1) FROM pg_db_role_setting WHERE setdatabase = d.oid"
    privileges = "SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) AS a"
    return cloud.execute(
        f"SELECT ({privileges}), pg_get_userbyid(datdba), datconnlimit, datistemplate, datallowconn, ({settings}) "
        f"FROM pg_database d WHERE datname = '{name}'"
    )


def _without_moments(dump: str) -> list[str]:
    return [line for line in dump.splitlines() if not line.startswith("-- ")]
