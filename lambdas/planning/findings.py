"""What the look-ups that both engines share found, what an engine's part of the plan is, and the checks that differ in their words only.

Invariant: an engine's part never raises for a problem of the request, the target or the point: it adds the problem and goes on, so that
all of them are in one answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dbrestore.contract import limits
from dbrestore.contract.allowed import database_names
from dbrestore.contract.drills import PlannedDrill
from dbrestore.contract.errors import NotEnoughStorage, RestoreRequestInvalid
from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.manifest import Engine, Manifest, StoredFile
from dbrestore.contract.plan import PlannedDatabase, PlannedNative
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems
from lambdas.archive import files as archive_files
from lambdas.archive import references
from lambdas.archive.files import FoundFile
from lambdas.lookup import target as target_lookup
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.state import Surroundings

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef


@dataclass(frozen=True)
class Place:
    """Where the target lies; by default where the state machine runs."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, request: RestoreRequest, execution_arn: str) -> "Place":
        """By the request."""
        home = cls.home(execution_arn)
        return replace(home, region=request.target.region or home.region, account=request.target.account or home.account)

    @classmethod
    def home(cls, execution_arn: str) -> "Place":
        """Where the state machine runs."""
        _, partition, _, region, account, *_ = execution_arn.split(":")
        return cls(partition, region, account)


@dataclass(frozen=True)
class Findings:
    """None stands where a look-up found a problem, which is told already. `waited`: how long the plan has been waiting for the target;
    `at_home`: the target lies in the control account and its Region, as the instances do whose names restore points bear.
    `drill` if it is one."""

    request: RestoreRequest
    restore_id: str
    waited: timedelta
    surroundings: Surroundings
    target: TargetAccount | None
    instance: "DBInstanceTypeDef | None"
    manifest: Manifest | None
    manifest_sha256: str | None = None
    at_home: bool = False
    drill: PlannedDrill | None = None


@dataclass(frozen=True)
class EnginePart:
    """What the plan says of the databases; `native` for SQL Server alone, `postgres` for PostgreSQL.
    `files` are all that will be read, as they lie in S3, and `reading_hours` how long they are read. `read_by_worker` are
    buckets of others that the worker itself reads."""

    databases: tuple[PlannedDatabase, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[FoundFile, ...] = ()
    reading_hours: float = 0.0
    native: PlannedNative | None = None
    postgres: PostgresOptions | None = None
    read_by_worker: frozenset[str] = frozenset()


def check_names(found: Findings, engine: Engine, problems: Problems) -> None:
    """The asked names by the engine's own rules."""
    for pointer, sentence in database_names.flaws(found.request, engine):
        problems.add(RestoreRequestInvalid, pointer, sentence)


def look_at_files(found: Findings, pointer: str, files: Sequence[StoredFile], problems: Problems) -> tuple[FoundFile, ...]:
    """The files of one database as they lie in S3."""
    s3, bucket = found.surroundings.control.s3, found.surroundings.settings.repository_bucket
    looked = problems.collect(pointer, lambda: archive_files.look(s3, bucket, files)) or ()
    readable = [file for file, seen in zip(files, looked, strict=False) if seen.is_readable]
    problems.collect(pointer, lambda: references.require_decryptable(s3, readable))
    return looked


def check_storage(found: Findings, needed: int, purpose: str, fix: str, problems: Problems) -> list[str]:
    """Whether the target has `needed` bytes free. Gives notes about what could only be estimated."""
    if found.target is None or found.instance is None:
        return []
    storage = target_lookup.free_storage(found.target, found.instance, found.surroundings.clock())
    if storage.free is not None and needed > storage.free:
        told = f" ({storage.note})" if storage.note else ""
        sentence = f"needs about {gib(needed)} for {purpose}, but only {gib(storage.free)} is free{told}: {fix}"
        problems.add(NotEnoughStorage, target_lookup.POINTER, f"{found.instance['DBInstanceIdentifier']} {sentence}")
    return [storage.note] if storage.note else []


def listed(names: Sequence[str], most: int = limits.NAMED_IN_NOTES) -> str:
    """The names with commas, the first of them if there are many: a plan travels through every state."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def gib(number: int) -> str:
    """`12.5 GiB`."""
    return f"{number / 1024**3:.1f} GiB"
