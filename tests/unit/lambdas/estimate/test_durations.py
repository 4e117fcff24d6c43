"""What each state is expected to take, and that the pauses are those of the definition."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dbrestore.contract import pauses
from dbrestore.contract.pauses import Pauses
from dbrestore.contract.plan import Plan, PlannedNative
from dbrestore.prices import GB
from lambdas.estimate import durations
from lambdas.runtime.looks import PAUSES
from tests.statemachine.world import DEFINITION
from tests.unit.lambdas.estimated_plans import archived, database, planned, planned_native, target, worker


def seconds(plan: Plan) -> dict[str, float]:
    return {item.state: item.seconds for item in durations.expected(plan)}


def every_state(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with its name, those of branches and of maps included."""
    for name, state in states.items():
        yield name, state
        for inner in (*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])):
            yield from every_state(inner["States"])


@pytest.mark.parametrize("state", sorted(PAUSES))
def test_the_pauses_are_those_of_the_definition(state: str) -> None:
    found = dict(every_state(json.loads(DEFINITION.read_text())["States"]))

    [retry] = [retry for retry in found[state]["Retry"] if "NotReady" in retry["ErrorEquals"]]
    assert PAUSES[state] == Pauses(retry["IntervalSeconds"], retry["BackoffRate"], retry["MaxDelaySeconds"], retry["MaxAttempts"])


def test_a_state_is_seen_to_be_over_by_the_first_look_after_its_end() -> None:
    doubling = Pauses(10, 2.0, 40, looks_at_most=9)

    assert [(doubling.looks(seconds), doubling.seen(seconds)) for seconds in (0, 10, 11, 31, 71)] == [
        (0, 0),
        (1, 10),
        (2, 30),
        (3, 70),
        (4, 110),
    ]


def test_the_archive_is_looked_at_as_often_as_the_definition_says() -> None:
    found = dict(every_state(json.loads(DEFINITION.read_text())["States"]))

    assert found["RetrieveArchive"]["TimeoutSeconds"] == pauses.ARCHIVE_LOOK_SECONDS


def test_the_states_come_in_the_order_of_the_flow() -> None:
    of_postgresql = [item.state for item in durations.expected(planned(archive=archived("GLACIER", "Standard", 1, GB)))]
    of_sql_server = [item.state for item in durations.expected(planned_native())]

    before, after = ["DeployWorker", "PairSecurityGroups"], ["RemoveWorker", "UnpairSecurityGroups"]
    assert of_postgresql == ["RetrieveArchive", *before, "ReplayDumps", "VerifyDatabases", *after, "CloseRestore"]
    staged = ["StageNativeBackups", "RestoreNativeBackups", "VerifyDatabases"]
    assert of_sql_server == [*before, *staged, *after, "RemoveStagingBucket", "CloseRestore"]


def test_every_duration_has_a_basis() -> None:
    for plan in (planned(archive=archived("GLACIER", "Bulk", 1, GB)), planned_native()):
        assert all(item.basis and item.seconds > 0 for item in durations.expected(plan))


def test_the_archive_takes_what_s3_says_of_the_slowest_class() -> None:
    slow, quick = (archived("DEEP_ARCHIVE", tier, 3, GB) for tier in ("Bulk", "Standard"))
    mixed = slow.model_copy(update={"classes": (*quick.classes, *slow.classes)})

    assert seconds(planned(archive=mixed))["RetrieveArchive"] == 48 * 3600


def test_a_replay_takes_its_bytes_by_its_streams_and_is_seen_a_tenth_later_at_most() -> None:
    for streams, rate in ((1, 4.6e6), (2, 9.2e6), (16, 15.7e6)):
        took = seconds(planned(worker=worker(streams=streams)))["ReplayDumps"]

        assert 10 * GB / rate <= took <= 10 * GB / rate * 1.1 + 15


def test_a_replay_of_days_is_seen_twenty_minutes_late_at_most() -> None:
    took = seconds(planned(databases=(database("huge", 10_000 * GB),)))["ReplayDumps"]

    assert 0 <= took - 10_000 * GB / 9.2e6 <= 1200


def test_a_copy_into_another_region_is_slower_and_says_that_it_is_assumed() -> None:
    at_home, abroad = planned_native(), planned_native(target=target(engine="sqlserver-se", region="eu-west-1"))

    assert seconds(abroad)["StageNativeBackups"] > 2 * seconds(at_home)["StageNativeBackups"]
    [staging] = [item for item in durations.expected(abroad) if item.state == "StageNativeBackups"]
    assert "assumed" in staging.basis
    assert "from Region to Region" in staging.basis


def test_checking_a_database_takes_longer_than_looking_at_it() -> None:
    checked = PlannedNative(option_role_arn="arn", staged_bytes=4 * GB, check_database=True)

    assert seconds(planned_native(native=checked))["VerifyDatabases"] >= 10 * GB / 100e6
    assert seconds(planned_native())["VerifyDatabases"] < 60


def test_checking_reads_the_pages_in_use_where_the_point_knows_them_and_never_the_log() -> None:
    checked = PlannedNative(option_role_arn="arn", staged_bytes=4 * GB, check_database=True)

    def taking(**known: int) -> tuple[float, str]:
        plan = planned_native(native=checked, databases=(database("shop", 1000 * GB, **known),))
        [item] = [item for item in durations.expected(plan) if item.state == "VerifyDatabases"]
        return item.seconds, item.basis

    files, pages, without_log = taking(), taking(page_bytes=100 * GB), taking(log_bytes=500 * GB)
    assert 9 < files[0] / pages[0] < 11
    assert 1.9 < files[0] / without_log[0] < 2.1
    assert pages[1].endswith("; pages in use")
    assert files[1].endswith("; whole files where the point doesn't know the pages in use")


def test_log_files_are_filled_with_zeros_before_a_restore() -> None:
    with_log = planned_native(databases=(database("shop", log_bytes=100 * GB),))

    later = seconds(with_log)["RestoreNativeBackups"] - seconds(planned_native())["RestoreNativeBackups"]
    assert 100 * GB / 100e6 * 0.9 < later < 100 * GB / 100e6 * 1.2
    told = {item.state: item.basis for plan in (planned_native(), with_log) for item in durations.expected(plan)}
    assert "zeros" in told["RestoreNativeBackups"]
    assert not any("zeros" in item.basis for item in durations.expected(planned_native()))


def test_rds_restores_two_databases_at_a_time() -> None:
    three = planned_native(databases=tuple(database(name) for name in ("a", "b", "c")))

    later = seconds(three)["RestoreNativeBackups"] - seconds(planned_native())["RestoreNativeBackups"]
    assert 60 < later < 180


def test_the_reading_of_an_archive_is_longer_than_its_bytes_by_boot_and_groups() -> None:
    assert durations.reading_hours(0, "postgres") == pytest.approx(150 / 3600)
    assert durations.reading_hours(1_000 * GB, "postgres") == pytest.approx(1_000 * GB / 9.2e6 / 3600 + 150 / 3600)
    assert durations.reading_hours(1_000 * GB, "sqlserver") < durations.reading_hours(1_000 * GB, "postgres")
