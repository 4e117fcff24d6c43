"""Whether a manifest is whole. Invariant: what passes has exactly one member for each entry of the dump with data, and says of the dump
what its table of contents says; a table that somebody took out of the manifest can't be missing in silence.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from dbrestore.contract import keys
from dbrestore.contract.allowed import point_names
from dbrestore.contract.errors import BackupDamaged, RestoreRequestInvalid
from dbrestore.contract.manifest import (
    ByteRange,
    DatabaseBackup,
    LargeObjectMember,
    Manifest,
    NativeDatabaseBackup,
    StoredFile,
    TableMember,
)
from dbrestore.points.pgdump import database as pgdump_database
from dbrestore.points.pgdump import entries as pgdump_entries
from dbrestore.points.pgdump.toc import Toc

# Facts that stand in both places.
_SAID: Final = (
    "encoding",
    "client_encoding",
    "locale_provider",
    "collate",
    "ctype",
    "provider_locale",
    "owner",
    "owners",
    "extensions",
    "object_counts",
)
_SHA256: Final = re.compile("[0-9a-f]{64}")
_IN_HEADER: Final = ("format", "compression", "archive_version", "server_version", "dump_version", "dumped_at")


def require_consistent(manifest: Manifest) -> None:
    """Raise BackupDamaged if the manifest contradicts itself. The dumps are not read for it."""
    _require(manifest.engine == "postgres" or not manifest.databases, "it is of SQL Server and lists PostgreSQL dumps")
    _require(manifest.engine == "sqlserver" or not manifest.native_databases, "it is of PostgreSQL and lists native backups")
    databases: tuple[DatabaseBackup | NativeDatabaseBackup, ...] = (*manifest.databases, *manifest.native_databases)
    _require(bool(databases), "it lists no database")
    _refuse_twice((d.name for d in databases), "databases are called")
    _refuse_twice((f.key for d in databases for f in d.files), "files have the key")
    for database in databases:
        _require_names(manifest, database.name, database.files)
    for dump in manifest.databases:
        _require_one_per_entry(dump)
        _require_ranges(dump)


def require_whole(toc: Toc, backup: DatabaseBackup) -> None:
    """Raise BackupDamaged if the manifest says other things of a dump than its table of contents, or lists other members."""
    said = pgdump_database.describe(toc)
    for source, names in ((toc, _IN_HEADER), (said, _SAID)):
        for name in names:
            found, expected = getattr(backup, name), getattr(source, name)
            _require(
                found == expected,
                f"{backup.name}: the manifest says of {name} {_short(found)}, the table of contents {_short(expected)}",
            )
    _require_tables(toc, backup)
    _require_large_objects(toc, backup)


def _require_names(manifest: Manifest, name: str, files: tuple[StoredFile, ...]) -> None:
    try:
        point_names.require_instance_name(manifest.instance)
        if manifest.engine == "postgres":
            point_names.require_database_name(name)
    except RestoreRequestInvalid as error:
        raise BackupDamaged(str(error)) from error
    _require(name != "", "a database has no name")
    prefix = keys.database_prefix(manifest.instance, manifest.point_id, name)
    for file in files:
        _require(
            file.key.startswith(prefix) and "/" not in file.key.removeprefix(prefix),
            f"the file {_short(file.key)} of the database {name!r} doesn't lie below {prefix}",
        )


def _require_one_per_entry(backup: DatabaseBackup) -> None:
    """As far as the counts of the same manifest tell; `require_whole` tells the rest."""
    name, counts = backup.name, backup.object_counts
    expected = counts.get("TABLE DATA", 0)
    _require(
        len(backup.tables) == expected,
        f"{name}: it lists the rows of {len(backup.tables)} tables, and the dump has those of {expected}",
    )
    _refuse_twice((m.dump_id for m in backup.tables), f"{name}: tables have the dump id")
    _refuse_twice((oid for m in backup.large_objects for oid in m.oids), f"{name}: large objects have the oid")
    blocks = len({m.dump_id for m in backup.large_objects})
    # A directory has a member per object, and none for a list of objects that is empty.
    whole = blocks == counts.get("BLOBS", 0) if backup.format == "custom" else blocks <= counts.get("BLOBS", 0)
    _require(whole, f"{name}: it lists {blocks} groups of large objects, and the dump has {counts.get('BLOBS', 0)}")


def _require_ranges(backup: DatabaseBackup) -> None:
    """Each range lies in its file, and no two share a byte. A directory may lie there as its files, anything else is one."""
    count = len(backup.files)
    _require(count == 1 or (count > 1 and backup.format == "directory"), f"{backup.name}: it lists {count} files, and a dump is one")
    for stored in _ranges(backup):
        _require(bool(_SHA256.fullmatch(stored.sha256)), f"{backup.name}: {_short(stored.sha256)} isn't a SHA-256")
        _require(stored.file < count, f"{backup.name}: a range is of the file {stored.file}, and there is none after file {count - 1}")
        end, length = stored.offset + stored.length, backup.files[stored.file].length
        _require(end <= length, f"{backup.name}: a range ends at byte {end}, and its file has {length}")
    # An empty file in a tar has no byte of its own.
    ordered = sorted((r.file, r.offset, r.offset + r.length) for r in _ranges(backup) if r.length)
    for (file, _, end), (next_file, begin, _) in pairwise(ordered):
        _require(end <= begin or file != next_file, f"{backup.name}: two ranges share the byte {begin}")


def _ranges(backup: DatabaseBackup) -> Iterator[ByteRange]:
    yield backup.toc
    yield from (m.stored for m in backup.tables)
    yield from (m.stored for m in backup.large_objects)


def _require_tables(toc: Toc, backup: DatabaseBackup) -> None:
    entries = {e.dump_id: e for e in toc.entries if e.has_data and e.description == "TABLE DATA"}
    members = {m.dump_id: m for m in backup.tables}
    for dump_id, entry in entries.items():
        member = members.get(dump_id)
        _require(member is not None, f"{backup.name}: the manifest doesn't list the rows of {entry.label}")
        _require(
            member is not None and (member.schema_name, member.table) == (entry.schema_name or "", entry.tag),
            f"{backup.name}: the manifest calls {entry.label} by another name",
        )
        _require_offset(backup, member, entry.offset, entry.label)
    for member in backup.tables:
        name = _short(f"{member.schema_name}.{member.table}")
        _require(member.dump_id in entries, f"{backup.name}: the manifest lists rows of {name}, and the dump has none")
        extension = pgdump_entries.extension_of(toc, entries[member.dump_id])
        _require(
            (member.extension is None) == (extension is None),
            f"{backup.name}: the manifest and the table of contents disagree whether an extension makes {name}",
        )


def _require_large_objects(toc: Toc, backup: DatabaseBackup) -> None:
    groups = {e.dump_id: e for e in toc.entries if e.has_data and e.description == "BLOBS"}
    for member in backup.large_objects:
        entry = groups.get(member.dump_id)
        _require(entry is not None, f"{backup.name}: the manifest lists large objects that the dump doesn't have")
        _require_offset(backup, member, entry.offset if entry else None, entry.label if entry else "")
    listed = {oid for m in backup.large_objects for oid in m.oids}
    declared = pgdump_entries.large_objects(toc)
    _require(
        not groups or listed == declared,
        f"{backup.name}: the manifest lists {len(listed)} large objects, and the table of contents names {len(declared)}",
    )


def _require_offset(backup: DatabaseBackup, member: TableMember | LargeObjectMember | None, offset: int | None, label: str) -> None:
    _require(
        offset is None or member is None or member.stored.offset == offset,
        f"{backup.name}: the manifest and the table of contents disagree where the data of {label} begins",
    )


def _refuse_twice(names: Iterable[object], what: str) -> None:
    for name, times in Counter(names).most_common(1):
        _require(times == 1, f"{times} {what} {_short(name)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _require(right: bool, sentence: str) -> None:
    if not right:
        raise BackupDamaged(sentence)
