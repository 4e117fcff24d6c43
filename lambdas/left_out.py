"""What was left out of databases because the request allowed it: counted for the states, told in short in an error.

The whole list stays in the worker's results. A database's list is that of the last replay that had it, and what the last verification adds.
"""

from collections.abc import Iterable

from lambdas import limits
from lambdas.sections import DatabaseOutcome
from worker.job import DatabaseResult, LeftOut, Result

Lists = dict[str, tuple[LeftOut, ...]]


def by_database(replayed: Iterable[Result], verified: Iterable[Result]) -> Lists:
    """The list of each database by its asked name, what both jobs name but once; only databases that lack something."""
    last = [_last(replayed), _last(verified)]
    found: dict[str, list[LeftOut]] = {}
    for name, database in (pair for results in last for pair in results.items()):
        known = found.setdefault(name, [])
        known += [one for one in database.left_out if one not in known]
    return {name: tuple(listed) for name, listed in found.items() if listed}


def counted(databases: Iterable[DatabaseOutcome], lists: Lists) -> tuple[DatabaseOutcome, ...]:
    """The outcomes with the number of what each database lacks."""
    return tuple(d.model_copy(update={"left_out": len(lists.get(d.asked_name, ()))}) for d in databases)


def told(lists: Lists, where: str) -> str:
    """What is missing, the first of it by name, and where the whole list is; a few lines, however long names and lists are."""
    lines = [f"{name}: {_amount(listed)}" for name, listed in lists.items()]
    named = [f"{name}: {_line(one)}" for name, listed in lists.items() for one in listed]
    more = len(named) - limits.NAMED_LEFT_OUT
    lines += named[: limits.NAMED_LEFT_OUT]
    lines += [f"and {more:,} more"] if more > 0 else []
    return "\n".join([*lines, f"The whole list, with the SQL to make each by hand: {where}"])


def _last(results: Iterable[Result]) -> dict[str, DatabaseResult]:
    return {database.asked_name: database for result in results for database in result.databases}


def _amount(listed: tuple[LeftOut, ...]) -> str:
    rows = sum(one.rows for one in listed)
    loaded = f", {rows:,} rows of the dump were not loaded" if rows else ""
    return f"{len(listed):,} objects of the dump were left out{loaded}"


def _line(one: LeftOut) -> str:
    text = f"{one.entry}: {' '.join(one.why.split())}"
    return text if len(text) <= limits.LEFT_OUT_CHARACTERS else f"{text[: limits.LEFT_OUT_CHARACTERS]}..."
