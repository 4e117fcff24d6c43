"""The ways in which a restored database was looked at: two that agree prove more than one, because they can't fail for the same reason."""

from collections.abc import Iterable
from typing import Final

from dbrestore.contract.evidence import CheckSort, DatabaseEvidence, Method
from dbrestore.contract.job import Check

COUNTS: Final = "counts"
CONTENTS: Final = "contents"
STRUCTURE: Final = "structure"
ENGINE: Final = "the engine's own check"
OWN_SQL: Final = "own SQL"

_TOLD: Final = {
    COUNTS: "rows and large objects were counted in the restored database and compared with the backup",
    CONTENTS: "values were read back from the restored database and compared with digests taken from the backup",
    STRUCTURE: "objects, owners, settings and states were compared with what the backup lists",
    ENGINE: "the database server examined its own pages (DBCC CHECKDB)",
    OWN_SQL: "questions in SQL, written by whoever asked for the restore, were answered by the restored database",
}
# The first that fits counts: beginning of a check's name, its sort, its method. What fits none is of the structure.
_SORTS: Final = (
    ("rows of ", "rows of each table", COUNTS),
    ("large objects", "large objects", COUNTS),
    ("pages", "pages in use", COUNTS),
    ("content", "contents, value by value", CONTENTS),
    ("value of sequence ", "value of each sequence", CONTENTS),
    ("DBCC CHECKDB", "DBCC CHECKDB", ENGINE),
)
_PRESENT: Final = " present"


def sort_of(check: str) -> tuple[str, str]:
    """The sort of a check by its name, and its method."""
    for beginning, sort, method in _SORTS:
        if check.startswith(beginning):
            return sort, method
    return ("objects of each kind" if check.endswith(_PRESENT) else "states and settings", STRUCTURE)


def sorts(checks: Iterable[Check]) -> tuple[CheckSort, ...]:
    """How the checks of a database ended, by sort, in the order in which they were made."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for check in checks:
        ended = found.setdefault(sort_of(check.check), {"ok": 0, "failed": 0, "not checked": 0})
        ended[check.result] += 1
    return tuple(_sort(sort, method, ended) for (sort, method), ended in found.items())


def _sort(sort: str, method: str, ended: dict[str, int]) -> CheckSort:
    return CheckSort(
        sort=sort,
        method=method,
        checked=sum(ended.values()),
        ok=ended["ok"],
        failed=ended["failed"],
        not_checked=ended["not checked"],
    )


def used(databases: Iterable[DatabaseEvidence]) -> tuple[Method, ...]:
    """Every method, those that were not used too."""
    found = {name: [0, 0, 0] for name in _TOLD}
    for database in databases:
        for sort in database.sorts:
            _add(found[sort.method], sort.checked, sort.failed, sort.not_checked)
        for answer in database.answers:
            _add(found[OWN_SQL], 1, answer.status == "failed", answer.status == "not checked")
    return tuple(
        Method(name=name, told=told, checked=found[name][0], failed=found[name][1], not_checked=found[name][2])
        for name, told in _TOLD.items()
    )


def _add(sums: list[int], *values: int) -> None:
    for place, value in enumerate(values):
        sums[place] += value
