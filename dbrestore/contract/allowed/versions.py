"""Which versions of an engine a restore goes into: those that RDS offers and that were looked at. The only place that says so.

PostgreSQL: each of them is run by the tests. SQL Server: no engine is in the tests; its procedures are RDS's, and the same in all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dbrestore.contract.manifest import Engine

# By RDS's major version; SQL Server 2008 R2's minor one tells it from 2008.
SQL_SERVER: Final[Mapping[tuple[int, int], str]] = {
    (8, 0): "2000",
    (9, 0): "2005",
    (10, 0): "2008",
    (10, 50): "2008 R2",
    (11, 0): "2012",
    (12, 0): "2014",
    (13, 0): "2016",
    (14, 0): "2017",
    (15, 0): "2019",
    (16, 0): "2022",
    (17, 0): "2025",
}


@dataclass(frozen=True)
class Supported:
    """Major versions, both included, as in RDS's EngineVersion (`16.4`, `15.00.4430.1.v1`). `product` is what people call the engine,
    `names` how they call versions otherwise than by their number."""

    product: str
    oldest: int
    newest: int
    names: Mapping[int, str] = field(default_factory=dict)

    def name(self, major: int) -> str:
        """`PostgreSQL 13`, `SQL Server 2016`."""
        return f"{self.product} {self.names.get(major, major)}"

    @property
    def told(self) -> str:
        """`PostgreSQL 13 to 18`."""
        return f"{self.name(self.oldest)} to {self.name(self.newest).rpartition(' ')[2]}"


ENGINES: Final[Mapping[Engine, Supported]] = {
    "postgres": Supported("PostgreSQL", 13, 18),
    "sqlserver": Supported("SQL Server", 13, 17, {major: year for (major, minor), year in SQL_SERVER.items() if not minor}),
}


def is_too_old(engine: Engine, version: str) -> bool:
    """Whether an instance with this EngineVersion is older than all that are supported."""
    return _major(version) < ENGINES[engine].oldest


def is_too_new(engine: Engine, version: str) -> bool:
    """The same for newer."""
    return _major(version) > ENGINES[engine].newest


def _major(version: str) -> int:
    """Before PostgreSQL 10 two numbers made the major version: the first is enough to tell that it is too old."""
    first = version.partition(".")[0].partition(" ")[0]
    return int(first) if first.isdecimal() else 0
