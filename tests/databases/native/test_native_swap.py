"""Exchanging the names of two databases of the simulated SQL Server, where each rename is a step of its own."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from dbrestore.contract.job import SwapResult
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.sqlserver import swapping
from localcloud.base import certificates
from localcloud.sqlserver.databases import Contents, User
from localcloud.sqlserver.instance import Login
from localcloud.tds.engine import DropConnection
from tests.databases.native_server import NativeServer, native_server
from tests.unit.localcloud.sqlserver.objects import MASTER

NEW, OLD = "shop_new_0123456789ab", "shop_old_0123456789ab"


@pytest.fixture
def case(authority: certificates.Authority) -> Iterator[NativeServer]:
    with native_server(authority, Bounds()) as made:
        for name in ("shop", NEW):
            made.engine.create_database(name)
        yield made


def identity(case: NativeServer, name: str) -> str:
    found = case.engine.database(name)
    return str(found.guid).upper() if found else ""


def job(case: NativeServer, action: str, **more: object) -> SwapJob:
    values = {"action": action, "name": "shop", "restored_as": NEW, "kept_as": OLD, "sessions": "end", "seconds": 0.5}
    return SwapJob.model_validate(values | more)


def run(case: NativeServer, *jobs: SwapJob) -> SwapResult:
    (*_, (result, _)) = swapping.run(case.server, jobs)
    return result


def test_the_restored_database_takes_the_name_gives_it_back_and_the_copy_goes(case: NativeServer) -> None:
    new, old = identity(case, NEW), identity(case, "shop")
    ids = {"restored_id": new, "old_id": old}

    swapped = run(case, job(case, "swap", restored_id=new))
    assert (swapped.error, swapped.is_done, swapped.old_id) == (None, True, old)
    assert (identity(case, "shop"), identity(case, OLD)) == (new, old)
    undone = run(case, job(case, "undo", **ids))
    assert (undone.error, undone.is_done) == (None, True)
    assert (identity(case, "shop"), identity(case, NEW)) == (old, new)
    run(case, job(case, "swap", **ids))
    dropped = run(case, job(case, "drop", **ids))

    assert (dropped.is_done, dropped.old_is) == (True, "")
    assert (identity(case, "shop"), case.engine.database(OLD)) == (new, None)
    assert case.engine.database("shop").user_access == "MULTI_USER"


@pytest.mark.parametrize("sessions", ["wait", "end"])
def test_sessions_are_waited_for_or_ended(case: NativeServer, sessions: str) -> None:
    case.switches.sessions["shop"] = ["billing", "billing"]

    result = run(case, job(case, "swap", restored_id=identity(case, NEW), sessions=sessions))

    assert result.is_done is (sessions == "end")
    if sessions == "wait":
        assert result.error is not None
        assert result.error.name == "DatabaseInUse"
        assert "2 sessions of" in result.error.message
        assert "(billing)" in result.error.message
        assert result.truth == f"'shop' is the database from before, the restored one is {NEW!r}"


def test_a_second_rename_that_is_refused_turns_the_first_one_back(case: NativeServer) -> None:
    case.switches.sessions[NEW] = ["somebody"]
    before = identity(case, "shop")

    result = run(case, job(case, "swap", restored_id=identity(case, NEW), sessions="wait"))

    assert not result.is_done
    assert (identity(case, "shop"), case.engine.database(OLD)) == (before, None)


@pytest.mark.parametrize("at", range(1, 12))
def test_after_an_end_at_any_statement_the_next_run_finishes_it(case: NativeServer, at: int) -> None:
    new, old = identity(case, NEW), identity(case, "shop")
    count = 0

    def lost(_: object, __: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise DropConnection

    case.switches.before_batch.append(lost)
    with suppress(Exception):
        run(case, job(case, "swap", restored_id=new))
    case.switches.before_batch.clear()
    ((seen, _),) = swapping.look(case.server, [job(case, "swap", restored_id=new)])
    assert {seen.restored_is, seen.old_is} in ({"shop", OLD}, {NEW, "shop"}, {NEW, OLD})
    again = run(case, job(case, "swap", restored_id=new))

    assert (again.error, again.is_done) == (None, True)
    assert (identity(case, "shop"), identity(case, OLD)) == (new, old)
    assert {case.engine.database(name).user_access for name in ("shop", OLD)} == {"MULTI_USER"}


@pytest.mark.parametrize("action", ["undo", "drop"])
def test_another_database_of_the_derived_name_is_never_touched(case: NativeServer, action: str) -> None:
    new, old = identity(case, NEW), identity(case, "shop")
    run(case, job(case, "swap", restored_id=new))
    case.engine.instance.databases.drop(case.engine.database(OLD))
    case.engine.create_database(OLD)
    other = identity(case, OLD)

    result = run(case, job(case, action, restored_id=new, old_id=old))

    assert (identity(case, "shop"), identity(case, OLD)) == (new, other)
    assert (result.error is not None) is (action == "undo")


def test_rds_refuses_on_multi_az_and_nothing_has_changed(case: NativeServer) -> None:
    case.engine.instance.multi_az = True

    result = run(case, job(case, "swap", restored_id=identity(case, NEW)))

    assert result.error is not None
    assert (result.is_done, result.old_is, result.restored_is) == (False, "shop", NEW)
    assert case.engine.database("shop").user_access == "MULTI_USER"


def owned(case: NativeServer, before: str, after: str = "rdsa") -> None:
    """The old database and the restored one belong to these logins."""
    for name, owner in (("shop", before), (NEW, after)):
        case.engine.database(name).owner = owner


def swapped_owner(case: NativeServer) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Whose the database is after an exchange, and what the report says."""
    result = run(case, job(case, "swap", restored_id=identity(case, NEW)))
    assert (result.is_done, result.error) == (True, None)
    return case.engine.database("shop").owner, tuple((note.entry, note.what) for note in result.fix_ups)


@pytest.mark.parametrize("may_impersonate", [True, False])
def test_the_owner_goes_over_where_the_login_that_restores_may_give_it(case: NativeServer, may_impersonate: bool) -> None:
    case.engine.instance.other_logins.append(Login("app", "x"))
    case.switches.impersonable |= {"app"} if may_impersonate else set()
    owned(case, "app")

    owner, notes = swapped_owner(case)

    if may_impersonate:
        assert (owner, notes) == ("app", ())
    else:
        assert owner == "rdsa"
        assert notes[0][0] == "OWNER app"
        assert "15151: Cannot find the principal 'app'" in notes[0][1]
        assert notes[0][1].endswith("run: ALTER AUTHORIZATION ON DATABASE::[shop] TO [app]")
    assert case.engine.database(OLD).owner == "app"


def test_the_login_that_restores_owns_again_what_it_owned(case: NativeServer) -> None:
    owned(case, MASTER)

    assert swapped_owner(case) == (MASTER, ())


def test_whoever_restores_gives_away_nothing_that_an_undo_needs(case: NativeServer) -> None:
    case.engine.instance.other_logins.append(Login("app", "x"))
    case.switches.impersonable.add("app")
    owned(case, "app", MASTER)

    owner, notes = swapped_owner(case)

    assert owner == MASTER
    assert "could no longer turn the exchange back" in notes[0][1]


def test_a_trigger_of_the_backup_is_never_fired_by_giving_an_owner(case: NativeServer) -> None:
    owned(case, MASTER)
    case.engine.database(NEW).contents = Contents(triggers={"hostile": ("ALTER_AUTHORIZATION_DATABASE",)})

    owner, notes = swapped_owner(case)

    assert owner == "rdsa"
    assert "the database trigger hostile of the backup would run" in notes[0][1]


def test_a_user_of_the_backup_that_is_the_owner_is_told(case: NativeServer) -> None:
    owned(case, MASTER)
    database = case.engine.database(NEW)
    database.users.append(User("billing", case.engine.instance.master.sid))

    owner, notes = swapped_owner(case)

    assert owner == "rdsa"
    assert "15110: The proposed new database owner is already a user" in notes[0][1]
