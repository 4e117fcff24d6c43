"""What evidence says of a restore point: when it was made, and the digest of each file that was read. Nothing else of a manifest is needed,
so nothing else is made of it: a manifest of a hundred thousand tables has tens of megabytes."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from dbrestore.contract.evidence import Digest, PointEvidence
from dbrestore.contract.record import Report

LISTED_FILES: Final = 500


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _File(_Part):
    key: str
    length: int
    sha256: str | None = None


class _Set(_Part):
    files: tuple[_File, ...] = ()
    finished_at: datetime | None = None


class _Backup(_Part):
    """One database of either engine: files of its own, or of its backup sets."""

    name: str
    files: tuple[_File, ...] = ()
    backup_sets: tuple[_Set, ...] = ()
    dumped_at: datetime | None = None

    @property
    def taken_at(self) -> datetime | None:
        """On the clock of whoever took it, without a zone."""
        return self.dumped_at or (self.backup_sets[-1].finished_at if self.backup_sets else None)


class _Point(_Part):
    engine_version: str | None = None
    created_at: datetime | None = None
    dumped: tuple[_Backup, ...] = Field(default=(), alias="databases")
    backed_up: tuple[_Backup, ...] = Field(default=(), alias="nativeDatabases")


def unread(report: Report, why: str) -> PointEvidence:
    """The restore point as the report alone knows it."""
    made_at = _made_at(report)
    return PointEvidence(
        db_instance=report.source.db_instance,
        restore_point=report.source.restore_point,
        made_at=made_at,
        age_seconds=_age(report, made_at),
        manifest=report.source.manifest,
        manifest_sha256=report.source.manifest_sha256,
        why=why,
    )


def read(report: Report, text: bytes) -> PointEvidence:
    """The same with what its manifest's text says."""
    known = unread(report, "")
    try:
        point = _Point.model_validate_json(text)
    except ValidationError as error:
        return known.model_copy(update={"why": f"the manifest can't be read: {error.errors()[0]['msg']}"})
    found, planned = hashlib.sha256(text).hexdigest(), report.source.manifest_sha256
    names = {database.name for database in report.databases}
    backups = [backup for backup in (*point.dumped, *point.backed_up) if backup.name in names]
    files = tuple(_files(backups))
    update = {
        "engine_version": point.engine_version,
        "manifest_sha256": planned or found,
        "manifest_state": "as planned" if planned in (None, found) else "changed",
        "why": "" if planned in (None, found) else f"its SHA-256 is {found} now",
        "taken_at": min((backup.taken_at.replace(tzinfo=None) for backup in backups if backup.taken_at), default=None),
        "files": files[:LISTED_FILES],
        "files_unlisted": max(0, len(files) - LISTED_FILES),
    }
    return known.model_copy(update=update)


def _files(backups: Iterable[_Backup]) -> Iterator[Digest]:
    for backup in backups:
        for file in (*backup.files, *(file for one in backup.backup_sets for file in one.files)):
            # Of what S3 copied in parts, and nobody has read, nobody knows one.
            if file.sha256:
                yield Digest(name=file.key, sha256=file.sha256, bytes=file.length)


def _made_at(report: Report) -> datetime | None:
    """A point's id begins with the time at which it was added to the repository."""
    try:
        return datetime.strptime(f"{report.source.restore_point[:16]}+0000", "%Y%m%dT%H%M%SZ%z")
    except ValueError:
        return None


def _age(report: Report, made_at: datetime | None) -> float | None:
    by_drill = report.drill.point_age_seconds if report.drill else None
    if by_drill is not None or made_at is None:
        return by_drill
    return (report.started_at - made_at).total_seconds()
