"""What `points add` does differently for the engines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dbrestore.cli.adding import postgresql, sqlserver
from dbrestore.cli.adding.given import Given
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.manifest import Engine
from dbrestore.points.sqlserver.described_points import Added
from dbrestore.points.unfinished_point import Progress


@dataclass(frozen=True)
class Adding:
    """`require_fitting` refuses options before anything is looked up; `add` gets a digest, or a dash, for each source. `read_by_worker`:
    what lies in S3 is read to its end by a worker before it is a point."""

    require_fitting: Callable[[Given], None]
    add: Callable[[ControlPlane, Given, list[str], Progress], Added]
    read_by_worker: bool


ENGINES: Final[dict[Engine, Adding]] = {
    "postgres": Adding(postgresql.require_fitting, postgresql.add, read_by_worker=True),
    "sqlserver": Adding(sqlserver.require_fitting, sqlserver.add, read_by_worker=False),
}
