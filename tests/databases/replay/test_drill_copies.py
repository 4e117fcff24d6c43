"""The copy of a drill on a real server: verified like any other, never named, never opened to anybody, and dropped whole."""

import uuid
from dataclasses import dataclass, replace

import psycopg
import pytest

from dbrestore.contract.checks.asked import AskedCheck
from dbrestore.contract.job import DatabaseJob
from tests.databases.restore_case import Cloud, Restore


@dataclass
class Drill(Restore):
    """A restore whose databases keep their temporary names."""

    def databases(self) -> tuple[DatabaseJob, ...]:
        """As the plan of a drill names them."""
        return tuple(job.model_copy(update={"asked_name": job.temporary_name}) for job in super().databases())


@pytest.fixture
def drill(cloud: Cloud, small: str) -> Drill:
    made = Drill(cloud, {small: cloud.dump(small)}, {small: "unused"})
    made.add_point()
    return made


def test_a_copy_is_verified_and_then_goes_with_everything_made_for_it(cloud: Cloud, drill: Drill) -> None:
    before = cloud.names()

    (verified,) = drill.run_all().databases
    (copy,) = drill.databases()

    assert (verified.status, verified.error) == ("PROMOTED", None)
    assert {check.result for check in verified.checks} == {"ok"}
    assert cloud.execute("SELECT count(*) FROM items", copy.temporary_name, superuser=True) == [(3000,)]
    result = drill.run("discard")
    assert [d.status for d in result.databases] == ["DISCARDED"]
    assert all(absence.seen_absent for absence in result.absences)
    assert cloud.names() == before


def test_nobody_else_is_let_in(cloud: Cloud, drill: Drill) -> None:
    cloud.execute("CREATE ROLE passer_by LOGIN PASSWORD 'x'", superuser=True)
    drill.run_all()
    (copy,) = drill.databases()

    with pytest.raises(psycopg.OperationalError, match="User does not have CONNECT privilege"):
        psycopg.connect(cloud.dsn(copy.temporary_name).replace("user=master", "user=passer_by").replace("password=secret", "password=x"))

    drill.run("discard")
    cloud.drop_role("passer_by")


def test_a_verification_that_is_repeated_finds_what_the_first_one_did(cloud: Cloud, drill: Drill) -> None:
    drill.run_all()

    (again,) = drill.run("verify", "verify-2").databases

    assert (again.status, again.error) == ("PROMOTED", None)
    drill.run("discard")


def test_a_replay_that_is_repeated_begins_anew(cloud: Cloud, drill: Drill) -> None:
    drill.run("replay")

    (again,) = drill.run("replay", "replay-2").databases

    assert (again.status, again.error) == ("REPLAYED", None)
    drill.run("discard")


def test_a_check_is_asked_of_the_copy(cloud: Cloud, drill: Drill) -> None:

    asked = AskedCheck.model_validate({"name": "rows", "sql": "SELECT count(*) FROM items", "expect": 3000})
    checked = replace(drill, restore_id=f"r-{uuid.uuid4().hex[:12]}", asked_checks=(asked,))

    (verified,) = checked.run_all().databases

    assert [answer.status for answer in verified.answers] == ["ok"]
    checked.run("discard")


@pytest.mark.parametrize("options", [("-Fc",), ("-Fc", "-Z0"), ("-Fd",)], ids=" ".join)
def test_damage_on_purpose_is_noticed_and_changes_nothing_that_is_stored(cloud: Cloud, small: str, options: tuple[str, ...]) -> None:
    drill = Drill(cloud, {small: cloud.dump(small, *options)}, {small: "unused"})
    drill.add_point()

    (failed,) = replace(drill, with_damage=True).run("replay").databases

    assert failed.error is not None
    assert (failed.status, failed.error.name) == ("FAILED", "BackupDamaged")
    drill.run("discard")
    whole = replace(drill, restore_id=f"r-{uuid.uuid4().hex[:12]}")
    (verified,) = whole.run_all().databases
    assert verified.status == "PROMOTED"
    whole.run("discard")
