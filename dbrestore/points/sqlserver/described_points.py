"""What native backup files become: which sets make which restore points, and what the manifests say of them, wherever the files lie and
whoever keeps them. Imported by functions, whose layer has none of what recomputes checksums.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupUnreadable, RestoreError, RestoreRequestInvalid
from dbrestore.contract.manifest import (
    Manifest,
    NativeBackupSet,
    NativeChecks,
    NativeDatabaseBackup,
    NativeDatabaseFile,
    NativeKind,
    StoredFile,
)
from dbrestore.points.sqlserver import assembled_points
from dbrestore.points.sqlserver.assembled_points import Round, Selection
from dbrestore.points.sqlserver.chain import Chain
from dbrestore.points.sqlserver.given import Given
from dbrestore.points.sqlserver.sets import Complaint, StripedSet
from dbrestore.points.unfinished_point import Name

_KINDS: Final[dict[str, NativeKind]] = {"D": "FULL", "I": "DIFFERENTIAL", "L": "LOG"}


@dataclass(frozen=True)
class Added:
    """What became of the files: restore points, the oldest first, and sentences about what is in none of them."""

    points: tuple[Manifest, ...]
    left_out: tuple[str, ...]


class Keeping(Protocol):
    """What puts files into the repository."""

    def backup_set(self, one: StripedSet, prefix: str) -> tuple[tuple[StoredFile, ...], NativeChecks | None]:
        """Keep all stripes under keys that begin with the prefix, in order; what was recomputed of them, None if nothing was."""


def chosen(given: Given, positions: Sequence[int] = ()) -> Selection:
    """Which sets of these files make which points. Raises as `add` does."""
    selection = assembled_points.selected(given.files, positions, given.in_folders)
    wrong = [(file.name, kind, sentence) for file in given.files for kind, sentence in file.own_problems]
    raise_if_any([*wrong, *selection.complaints])
    if not selection.points and selection.left_out:
        raise BackupUnreadable("\n".join(["nothing that was given can become a restore point:", *selection.left_out]))
    if not selection.points:
        raise BackupUnreadable("no file was given: a restore point holds at least one database")
    notes = [f"{file.name}: {note}" for file in given.files for note in file.notes]
    return replace(selection, left_out=[*selection.left_out, *given.passed_over, *notes])


def raise_if_any(complaints: Sequence[Complaint]) -> None:
    """All of them in one error: under its own name if they are of one kind, as BackupUnreadable if not."""
    if not complaints:
        return
    kinds = {kind for _, kind, _ in complaints}
    kind: type[RestoreError] = kinds.pop() if len(kinds) == 1 else BackupUnreadable
    raise kind("\n".join(f"{names}: {sentence}" for names, _, sentence in complaints))


def require_one_name(points: Sequence[Round], database: str | None) -> None:
    """Raises RestoreRequestInvalid if one name was given for several databases."""
    names = sorted({chain.database for point in points for chain in point})
    if database is not None and len({name.casefold() for name in names}) > 1:
        raise RestoreRequestInvalid(f"the files are of {len(names)} databases ({', '.join(names)}), and one name was given: give none")


def described(instance: str, name: Name, point: Round, database: str | None, keeping: Keeping) -> Manifest:
    """The manifest of one point, after its files were kept."""
    backups = []
    for chain in point:
        called = database or chain.database
        backups.append(_backup(called, chain, keys.database_prefix(instance, name.point_id, called), keeping))
    return Manifest(
        point_id=name.point_id,
        instance=instance,
        engine="sqlserver",
        engine_version=_newest_version(backups),
        created_at=name.made_at.replace(microsecond=0),
        native_databases=tuple(backups),
    )


def _backup(name: str, chain: Chain, prefix: str, keeping: Keeping) -> NativeDatabaseBackup:
    return NativeDatabaseBackup(
        name=name,
        source_name=chain.database,
        database_id=str(chain.full.backup_set.database_id),
        backup_sets=tuple(_backup_set(one, f"{prefix}{n:02}", keeping) for n, one in enumerate(chain.sets, start=1)),
    )


def _backup_set(one: StripedSet, prefix: str, keeping: Keeping) -> NativeBackupSet:
    said, kind, first = one.backup_set, _KINDS[one.backup_set.kind], one.stripes[0]
    files, checks = keeping.backup_set(one, f"{prefix}-{kind.lower()}")
    return NativeBackupSet(
        kind=kind,
        set_id=str(said.id),
        media_set_id=str(one.header.media_set_id),
        files=files,
        compressed=one.header.compressed,
        checksums=said.checksums,
        server=said.server,
        version=said.version,
        database_version=said.database_version,
        compatibility_level=said.compatibility_level,
        begun_at=said.begun_at,
        first_lsn=str(said.first_lsn),
        last_lsn=str(said.last_lsn),
        checkpoint_lsn=str(said.checkpoint_lsn),
        base_lsn=str(said.base_lsn),
        data_size=said.data_size,
        database_files=tuple(
            NativeDatabaseFile(logical_name=file.logical_name, physical_path=file.physical_path, size=file.size)
            for file in said.database_files
        ),
        finished_at=said.finished_at,
        recovery_model=said.recovery_model,
        position=first.placed.position,
        sets_in_file=len(first.file.sets),
        checks=checks,
    )


def _newest_version(backups: Sequence[NativeDatabaseBackup]) -> str:
    """The target must not be older than any of the servers."""
    versions = [backup_set.version for backup in backups for backup_set in backup.backup_sets]
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])
