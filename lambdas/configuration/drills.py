"""The declared drills: which backups are proven when, in one file that is deployed with the functions.

What depends on the clock (a schedule that is over) is refused when the stack is synthesised, and only then: a drill that was to run once
must not make the file unreadable to the functions when it has run.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from dbrestore.contract.allowed import credentials as allowed
from dbrestore.contract.checks.asked import ALL_QUESTIONS
from dbrestore.contract.drills import MOST_DATABASES, DrillConfiguration
from dbrestore.contract.errors import DrillConfigurationInvalid
from lambdas.configuration import drill_schedules
from lambdas.configuration import files as configuration_file
from lambdas.configuration.files import Place

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "drills.json"

Problem = tuple[Place, str]
_INSTANCE: Final = "must be the name of an RDS instance, like orders-prod"
_HOURS: Final = "must be a number of hours greater than 0, or be left out: without an objective nothing is measured against"
EXPECTED: Final = {
    **allowed.EXPECTED,
    "name": "must be 1 to 48 lower-case letters, digits and -, like orders-weekly",
    "expression": "must be cron(0 2 ? * SUN *), rate(7 days) or at(2027-01-31T02:00:00)",
    "timeZone": "must be a time zone of the tz database, like Europe/Berlin or UTC",
    "flexibleMinutes": "must be minutes from 0 (exactly then) to 1440",
    "dbInstance": _INSTANCE,
    "account": "must be an account's 12 digits",
    "region": "must be a Region, like eu-central-1",
    "recoveryMinutes": _HOURS.replace("hours", "minutes"),
    "pointHours": _HOURS,
    "checks/name": "must be a name of 1 to 100 characters",
    "checks/database": "must be the name of a database in the restore point",
    "keepHours": "must be hours from 0 (dropped at once) to 720",
    "tier": "must be Expedited, Standard or Bulk",
    "checkDatabase": "must be true or false",
    "pauseSeconds": "must be seconds from 0 to 3600",
}


def deployed(path: str | None = None) -> DrillConfiguration:
    """The file that came with the code, or the one at `path`; read once per process. Raises DrillConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> DrillConfiguration:
    return read(path)


def read(path: Path, now: datetime | None = None) -> DrillConfiguration:
    """Raises DrillConfigurationInvalid, one line per problem: `drills.json#<JSON pointer> (<drill>): <what to write instead>`. With `now`
    a schedule that never starts anything after that moment is one too."""
    return configuration_file.read(
        path,
        DrillConfiguration,
        DrillConfigurationInvalid,
        expected=EXPECTED,
        contradictions=lambda values: _contradictions(values, now),
        label=_label,
    )


def _drills(values: Any) -> list[Any]:
    drills = values.get("drills") if isinstance(values, dict) else None
    return drills if isinstance(drills, list) else []


def _label(place: Place, values: Any) -> str:
    """` (orders-weekly)` for everything in a drill that has a name."""
    n = place[1] if len(place) > 1 else None
    drill = _drills(values)[n] if isinstance(n, int) else None
    name = drill.get("name") if isinstance(drill, dict) else None
    return f" ({name})" if isinstance(name, str) and name else ""


def _contradictions(values: Any, now: datetime | None) -> Iterator[Problem]:
    """Place and sentence. Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    taken: dict[str, int] = {}
    for n, drill in enumerate(_drills(values)):
        if not isinstance(drill, dict):
            continue
        name = drill.get("name")
        if isinstance(name, str) and taken.setdefault(name, n) != n:
            yield ("drills", n, "name"), f"is the name of drills/{taken[name]} too: give one of them another"
        yield from ((("drills", n, *place), sentence) for place, sentence in _of_drill(drill, now))


def _of_drill(drill: Mapping[str, Any], now: datetime | None) -> Iterator[Problem]:
    schedule, target = drill.get("schedule"), drill.get("target")
    if isinstance(schedule, dict):
        yield from ((("schedule", *place), sentence) for place, sentence in drill_schedules.problems(schedule, now))
    yield from _of_databases(drill.get("databases"))
    yield from _of_checks(drill.get("checks"), drill.get("databases"))
    credentials = target.get("credentials") if isinstance(target, dict) else None
    if isinstance(credentials, dict) and bool(credentials.get("secretArn")) is bool(credentials.get("iamUser")):
        given = "both secretArn and iamUser" if credentials.get("secretArn") else "neither secretArn nor iamUser"
        yield ("target", "credentials"), f"names {given}: name one of the two, or leave credentials out"


def _of_databases(databases: Any) -> Iterator[Problem]:
    if not isinstance(databases, list):
        return
    if not databases:
        yield ("databases",), 'is empty, so the drill would prove nothing: name databases, or write "all"'
    if len(databases) > MOST_DATABASES:
        yield ("databases",), f"are {len(databases)}, {MOST_DATABASES} at most: make several drills of this one, or let it rotate"
    for n, name in enumerate(databases):
        if isinstance(name, str) and name in databases[:n]:
            yield ("databases", n), f"{name!r} is named twice: name it once"


def _of_checks(checks: Any, databases: Any) -> Iterator[Problem]:
    """`databases` are names only if they are a list; which ones a rotation or a sample takes is known when the drill runs."""
    named = databases if isinstance(databases, list) else None
    asked = [(n, check) for n, check in enumerate(checks if isinstance(checks, list) else []) if isinstance(check, dict)]
    taken: dict[str, int] = {}
    for n, check in asked:
        database = check.get("database")
        which = json.dumps([check.get("name"), database])
        if taken.setdefault(which, n) != n:
            yield ("checks", n, "name"), f"is the name of checks/{taken[which]} too: the report couldn't tell them apart"
        if named and isinstance(database, str) and database not in named:
            yield ("checks", n, "database"), f"{database!r} isn't among this drill's databases: add it there, or leave out the check"
        if named and len(named) > 1 and database is None:
            yield ("checks", n, "database"), f"is missing, and the drill restores {len(named)} databases: say which one is asked"
    length = sum(len(check["sql"]) for _, check in asked if isinstance(check.get("sql"), str))
    if length > ALL_QUESTIONS:
        yield ("checks",), f"have {length} characters of SQL in all, {ALL_QUESTIONS} at most: shorten them, or make views of them"
