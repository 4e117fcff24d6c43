"""The file that declares drills: what it may say, and everything that is wrong with it at once."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dbrestore.contract.drills import Drill, DrillConfiguration, DrillStart, RandomPoint, Rotation
from dbrestore.contract.errors import DrillConfigurationInvalid
from docs import generate
from lambdas.configuration.drills import DEPLOYED, deployed, read

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "drills.json"
SCHEMA: dict[str, Any] = json.loads(generate.schema(DrillConfiguration))
ARN = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:orders-Ab12Cd"
NOW = datetime(2026, 11, 29, 17, tzinfo=UTC)


def drill(**more: Any) -> dict[str, Any]:
    schedule = {"expression": "cron(0 2 ? * SUN *)", "timeZone": "Europe/Berlin"}
    return {"name": "a", "schedule": schedule, "source": {"dbInstance": "orders-prod"}, "target": {"dbInstance": "drills"}, **more}


def scheduled(expression: str, time_zone: str = "Europe/Berlin", **more: Any) -> dict[str, Any]:
    return drill(schedule={"expression": expression, "timeZone": time_zone, **more})


def check(**more: Any) -> dict[str, Any]:
    return {"name": "c", "sql": "SELECT 1", "expect": 1, **more}


def written(folder: Path, *drills: Any, **more: Any) -> Path:
    path = folder / "drills.json"
    path.write_text(json.dumps({"drills": drills, **more}))
    return path


def refused(path: Path, now: datetime | None = NOW) -> list[str]:
    with pytest.raises(DrillConfigurationInvalid) as told:
        read(path, now)
    return str(told.value).splitlines()


def test_the_shipped_file_declares_no_drill_and_names_the_schema_that_editors_read() -> None:
    shipped = json.loads(DEPLOYED.read_text())

    assert deployed().drills == ()
    assert json.loads((DEPLOYED.parent / shipped["$schema"]).read_text()) == SCHEMA


def test_the_example_fits_the_schema_and_says_what_it_says() -> None:
    jsonschema.validate(json.loads(EXAMPLE.read_text()), SCHEMA)

    weekly, monthly = read(EXAMPLE, NOW).drills

    assert (weekly.databases, weekly.source.restore_point, weekly.schedule.flexible_minutes) == (("orders", "invoices"), "latest", 45)
    assert (monthly.databases, monthly.keep_hours) == (Rotation(rotate=3), 24)
    assert isinstance(monthly.source.restore_point, RandomPoint)
    assert monthly.source.restore_point.random.within_days == 90


def test_what_is_written_of_a_drill_can_be_read_again() -> None:
    for drill in read(EXAMPLE, NOW).drills:
        assert Drill.from_json(drill.to_json()) == drill.model_copy(update={"comment": None})
        assert Drill.of_any_version(drill.to_state()) == drill.model_copy(update={"comment": None})


def test_a_start_is_read_as_schedules_and_people_write_it() -> None:
    start = DrillStart.from_json('{"drill": {"name": "a", "scheduleArn": "arn:x", "scheduledTime": "2027-01-31T02:00:00Z"}}')

    assert start.drill.scheduled_time == datetime(2027, 1, 31, 2, tzinfo=UTC)
    assert DrillStart.from_json('{"drill": {"name": "a", "requestedBy": "arn:me"}}').drill.with_damage is False


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (scheduled("0 2 * * *"), "/schedule/expression (a): must be cron(0 2 ? * SUN *), rate(7 days) or at("),
        (scheduled("cron(0 2 * * * *)"), "/schedule/expression (a): day-of-month and day-of-week are both set"),
        (scheduled(""), '/schedule/expression (a): must be cron(0 2 ? * SUN *), rate(7 days) or at(2027-01-31T02:00:00), not ""'),
        (scheduled("rate(0 days)"), "/schedule/expression (a): rate(0 days) isn't possible"),
        (scheduled("rate(7 days)", "Europe/Bonn"), "/schedule/timeZone (a): must be a time zone of the tz database"),
        (drill(schedule={"expression": "rate(7 days)"}), "/schedule/timeZone (a): is missing: add it"),
        (scheduled("cron(0 2 31 2 ? *)"), "/schedule/expression (a): never starts anything: there is no such day"),
        (scheduled("cron(0 2 * * ? 2020-2025)"), "/schedule/expression (a): never starts anything"),
        (scheduled("cron(30 2 28 3 ? 2027)"), "/schedule/expression (a): never starts anything"),
        (scheduled("at(2026-11-29T17:59:59)"), "/schedule/expression (a): is over, so it never starts anything again"),
        (
            scheduled("at(2027-03-28T02:30:00)"),
            "/schedule/expression (a): never starts anything: the clock of Europe/Berlin is put forward",
        ),
        (scheduled("rate(20 minutes)"), "/schedule/flexibleMinutes (a): is 30, but it starts every 20 minutes"),
        (
            scheduled("cron(0 2,3 * * ? *)", flexibleMinutes=61),
            "/schedule/flexibleMinutes (a): is 61, but from 2026-11-30 02:00 to the next start, 2026-11-30 03:00, are only 60 minutes",
        ),
        (scheduled("rate(7 days)", flexibleMinutes=1441), "/schedule/flexibleMinutes (a): must be minutes from 0"),
        (drill(databases=[]), "/databases (a): is empty, so the drill would prove nothing"),
        (drill(databases=["x", "y", "x"]), "/databases/2 (a): 'x' is named twice"),
        (drill(databases=[f"d{n}" for n in range(41)]), "/databases (a): are 41, 40 at most"),
        (drill(databases={"rotate": 0}), '/databases (a): must be a list of names, "all", {"rotate": 3} or {"random": 3}'),
        (drill(databases={"rotate": []}), "/databases (a): must be a list of names"),
        (drill(databases={"rotate": 1, "random": 1}), "/databases (a): must be a list of names"),
        (drill(databases="some"), "/databases (a): must be a list of names"),
        (drill(databases=[""]), "/databases (a): must be a list of names"),
        (drill(source={"dbInstance": "x", "restorePoint": "newest"}), '/source/restorePoint (a): must be "latest" or {"random"'),
        (drill(source={"dbInstance": "x_y"}), "/source/dbInstance (a): must be the name of an RDS instance"),
        (drill(objectives={"recoveryMinutes": 0}), "/objectives/recoveryMinutes (a): must be a number of minutes greater than 0"),
        (drill(objectives={"pointHours": 0}), "/objectives/pointHours (a): must be a number of hours greater than 0"),
        (drill(keepHours=721), "/keepHours (a): must be hours from 0"),
        (drill(archive={"tier": "Slow"}), "/archive/tier (a): must be Expedited, Standard or Bulk"),
        (drill(target={"dbInstance": "x", "credentials": {}}), "/target/credentials (a): names neither secretArn nor iamUser"),
        (
            drill(target={"dbInstance": "x", "credentials": {"iamUser": "u", "secretArn": ARN}}),
            "/target/credentials (a): names both secretArn and iamUser",
        ),
        (drill(checks=[check(sql="SELECT 1; SELECT 2")]), "/checks/0/sql (a): holds more than one statement"),
        (drill(checks=[check(sql="DELETE FROM x")]), "/checks/0/sql (a): must be one statement that reads"),
        (drill(checks=[check(), check()]), "/checks/1/name (a): is the name of checks/0 too"),
        (drill(checks=[check(name="")]), "/checks/0/name (a): must be a name of 1 to 100 characters"),
        (drill(databases=["x"], checks=[check(database="y")]), "/checks/0/database (a): 'y' isn't among this drill's databases"),
        (drill(databases=["x", "y"], checks=[check()]), "/checks/0/database (a): is missing, and the drill restores 2 databases"),
        (
            drill(checks=[check(name=str(n), sql=f"SELECT {'1' * 3990}") for n in range(11)]),
            "/checks (a): have 43967 characters of SQL in all, 40000 at most",
        ),
        (drill(name="A B"), "/name (A B): must be 1 to 48 lower-case letters"),
        (drill(when="now"), "/when (a): isn't a known key"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, declared: dict[str, Any], told: str) -> None:
    (line,) = refused(written(tmp_path, declared))

    assert line.startswith(f"drills.json#/drills/0{told}")


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    wrong = scheduled("cron(0 2 31 2 ? *)", "UTC")

    told = refused(written(tmp_path, {**wrong, "keepHours": -1}, {**wrong, "databases": []}, 7, {"name": "b"}))

    assert [line.partition(": ")[0] for line in told] == [
        "drills.json#/drills/0/keepHours (a)",
        "drills.json#/drills/2",
        "drills.json#/drills/3/schedule (b)",
        "drills.json#/drills/3/source (b)",
        "drills.json#/drills/3/target (b)",
        "drills.json#/drills/0/schedule/expression (a)",
        "drills.json#/drills/1/name (a)",
        "drills.json#/drills/1/schedule/expression (a)",
        "drills.json#/drills/1/databases (a)",
    ]


@pytest.mark.parametrize(
    "declared",
    [
        scheduled("cron(30 2 * * ? *)"),
        scheduled("at(2027-10-31T02:30:00)"),
        scheduled("rate(1 day)", flexibleMinutes=1440),
        scheduled("cron(* * * * ? *)", flexibleMinutes=0),
        drill(databases=["x"], checks=[check()]),
        drill(databases="all", checks=[check(database="anything")]),
        drill(databases={"rotate": 1}, checks=[check()]),
        drill(databases=["x", "y"], checks=[check(database="x"), check(database="y")]),
    ],
)
def test_what_can_be_meant_is_taken(tmp_path: Path, declared: dict[str, Any]) -> None:
    assert len(read(written(tmp_path, declared), NOW).drills) == 1


@pytest.mark.parametrize(
    ("sql", "taken"),
    [
        ("SELECT 1;", True),
        ("SELECT 1; ;\n", True),
        ("SELECT ';' || 'a; b', \"x;y\" FROM t -- ; z", True),
        ("SELECT 1; -- the end", True),
        ("SELECT 'it''s; one'", True),
        ("SELECT E'\\'; one'", True),
        ("SELECT $$; one$$", True),
        ("SELECT [a;b] FROM t", True),
        ("SELECT 1; DROP TABLE t", False),
        ("SELECT ';'; SELECT 2", False),
        ("SELECT 1 -- ' ;\n; SELECT '2'", False),
    ],
)
def test_two_statements_are_refused_where_no_quoting_could_make_them_one(tmp_path: Path, sql: str, taken: bool) -> None:
    path = written(tmp_path, drill(checks=[check(sql=sql)]))

    if taken:
        assert read(path).drills[0].checks[0].sql == sql
    else:
        assert "holds more than one statement" in refused(path)[0]


def test_what_was_deployed_stays_readable_when_its_time_is_over(tmp_path: Path) -> None:
    path = written(tmp_path, scheduled("at(2020-01-31T02:00:00)"))

    assert refused(path)
    assert len(deployed(str(path)).drills) == 1
