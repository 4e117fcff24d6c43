"""What is missing in the databases that stay, because the request allowed to leave it out: counted for the states, in short in an error.

The whole list stays in the worker's results. A database's list is that of the last replay that had it, and what the last verification adds.
"""

from collections.abc import Iterable

from dbrestore.contract import limits
from dbrestore.contract.job import LeftOut, Result
from dbrestore.contract.sections import DatabaseOutcome

Lists = dict[str, tuple[LeftOut, ...]]


def by_database(results: Iterable[Result]) -> Lists:
    """The list of each promoted database by its asked name, what two jobs name but once; only databases that lack something. `results` of
    whichever jobs, the later ones of a kind after the earlier ones."""
    told = list(results)
    found = {name: list(_last(told, "replay", name)) for name in _promoted(told)}
    for name, known in found.items():
        known += [one for one in _last(told, "verify", name) if one not in known]
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


def _promoted(results: list[Result]) -> list[str]:
    """Whoever discards may find that a database was finished by a verification that could not say so any more."""
    named = (d.asked_name for result in results for d in result.databases if d.status == "PROMOTED")
    return list(dict.fromkeys(named))


def _last(results: list[Result], kind: str, name: str) -> tuple[LeftOut, ...]:
    of_kind = (d for result in results if result.kind == kind for d in result.databases if d.asked_name == name)
    return next(reversed([d.left_out for d in of_kind]), ())


def _amount(listed: tuple[LeftOut, ...]) -> str:
    rows = sum(one.rows for one in listed)
    loaded = f", {rows:,} rows of the dump were not loaded" if rows else ""
    return f"{len(listed):,} objects of the dump were left out{loaded}"


def _line(one: LeftOut) -> str:
    text = f"{one.entry}: {' '.join(one.why.split())}"
    return text if len(text) <= limits.LEFT_OUT_CHARACTERS else f"{text[: limits.LEFT_OUT_CHARACTERS]}..."
