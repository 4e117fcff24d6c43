"""What is asked for when a run begins."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dbrestore.contract.names import RDS_CERTIFICATES

PREFIX = "dbraccept"


@dataclass(frozen=True)
class Scale:
    """How often trials repeat what they do, and the rows of the database that is restored."""

    name: Literal["quick", "full"]
    pairings: int
    stops: int
    rows: int


QUICK = Scale("quick", pairings=3, stops=2, rows=20_000)
FULL = Scale("full", pairings=100, stops=50, rows=300_000)
SCALES = {scale.name: scale for scale in (QUICK, FULL)}


@dataclass(frozen=True)
class Wishes:
    """`native_backups`: files of one SQL Server database to restore; none: a backup is taken of an instance that the run makes.
    `subnets`: of a VPC that is there already and has its ways to AWS; none: the run makes one. `certificates`: a path or an https URL."""

    scale: Scale = QUICK
    sqlserver: bool = False
    native_backups: tuple[Path, ...] = ()
    subnets: tuple[str, ...] = ()
    certificates: str = RDS_CERTIFICATES
    prefix: str = PREFIX
    keep: bool = False
    yes: bool = False
    folder: Path = Path("acceptance-results")
