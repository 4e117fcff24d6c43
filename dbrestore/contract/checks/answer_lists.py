"""The answers to checks of one's own, gathered from the worker's results: which there are, and which keep a restore from being green.

The last verification that had a database has the last word about it.
"""

from collections.abc import Iterable
from typing import Final

from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.job import Result

Answers = dict[str, tuple[CheckAnswer, ...]]

# In an error; all of them are in the worker's result.
_NAMED: Final = 10


def by_database(results: Iterable[Result]) -> Answers:
    """The answers of each database by its name in the restore point; only databases that were asked anything."""
    found = {d.backup_name: d.answers for result in results if result.kind == "verify" for d in result.databases}
    return {name: answers for name, answers in found.items() if answers}


def unmet(results: Iterable[Result]) -> list[str]:
    """One line for each check that isn't ok, the first of them only, after a line that says how many; empty if all are."""
    answers = [(name, answer) for name, listed in by_database(results).items() for answer in listed]
    lines = [f"{name}: {_line(answer)}" for name, answer in answers if answer.status != "ok"]
    more = [f"and {len(lines) - _NAMED:,} more"] if len(lines) > _NAMED else []
    return [f"{len(lines):,} of {len(answers):,} checks did not hold", *lines[:_NAMED], *more] if lines else []


def _line(answer: CheckAnswer) -> str:
    found = f"; it is {answer.value}" if answer.value is not None else ""
    return f"{answer.name}: {answer.status}: expected {answer.expected}; {' '.join(answer.why.split())[:200]}{found}"[:400]
