"""The dump's table of contents: fetched alone, and every entry assigned to the step that restores it.

Invariant: an entry is in exactly one place: an own step, the pre-data list, the early indexes, the post-data list, or left
out with its reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dbrestore.contract.errors import BackupDamaged, ReplayFailed
from dbrestore.contract.job import FixUp
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.points.pgdump import encoding as pgdump_encoding
from dbrestore.points.pgdump import manifest_check
from dbrestore.points.pgdump import toc as pgdump_toc
from dbrestore.points.pgdump.toc import Toc, TocEntry
from dbrestore.points.ranges import verified_range

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Restored by a step of their own (extensions, rows, large objects, privileges, promotion) or only settings of the archive itself.
OWN_STEPS = frozenset(
    {
        "EXTENSION",
        "TABLE DATA",
        "BLOB",
        "BLOBS",
        "BLOB METADATA",
        "ACL",
        "DEFAULT ACL",
        "DATABASE",
        "DATABASE PROPERTIES",
        "ENCODING",
        "STDSTRINGS",
        "SEARCHPATH",
    }
)
_COMMENTS_OF_OWN_STEPS = ("EXTENSION ", "DATABASE ")
# Why an entry isn't restored. What names another server or acts beyond this database is for a person to decide.
LEFT_OUT = {
    "EVENT TRIGGER": "needs a superuser and would run at every later command; create it by hand",
    "PUBLICATION": "a copy must not start publishing by itself; create it by hand",
    "PUBLICATION TABLE": "a copy must not start publishing by itself; create it by hand",
    "PUBLICATION TABLES IN SCHEMA": "a copy must not start publishing by itself; create it by hand",
    "SUBSCRIPTION": "a copy must not take the changes meant for the original; create it by hand",
    "SUBSCRIPTION TABLE": "a copy must not take the changes meant for the original; create it by hand",
    "SECURITY LABEL": "needs the label provider of the source server",
    "FOREIGN DATA WRAPPER": "reaches other servers; create it by hand",
    "SERVER": "reaches another server; create it by hand",
    "USER MAPPING": "holds a password for another server; create it by hand",
    "FOREIGN TABLE": "its server was not restored; create it by hand",
    "PROCEDURAL LANGUAGE": "needs a superuser; install its extension",
    "ACCESS METHOD": "needs a superuser",
}
_OF_PUBLIC = (("SCHEMA", "public"), ("COMMENT", "SCHEMA public"), ("ACL", "SCHEMA public"))
_PUBLIC_SCHEMA = "every new database has it; its owner and its comment are settled with the other owners"


@dataclass(frozen=True)
class Archive:
    """The parsed TOC, and the codec that makes its texts the bytes that they are in the dump."""

    toc: Toc
    codec: str = "utf-8"

    @property
    def by_dump_id(self) -> dict[int, TocEntry]:
        """Every entry."""
        return self.toc.by_dump_id

    @property
    def relations(self) -> Mapping[tuple[str | None, str], int]:
        """By schema and name, all that the dump creates and that can hold rows or a value."""
        return self.toc.relations

    def is_table(self, dump_id: int) -> bool:
        """Whether it is a table that the dump creates."""
        entry = self.by_dump_id.get(dump_id)
        return entry is not None and entry.description == "TABLE"

    def related_tables(self) -> frozenset[int]:
        """The dump ids of the tables that belong to a partition or inheritance tree."""
        attached = (d for e in self.toc.entries if e.description == "TABLE ATTACH" for d in e.dependencies)
        inheriting = (e for e in self.toc.entries if e.description == "TABLE" and any(map(self.is_table, e.dependencies)))
        related = (*attached, *(n for e in inheriting for n in (e.dump_id, *e.dependencies)))
        return frozenset(filter(self.is_table, related))

    @cached_property
    def data_of(self) -> dict[int, int]:
        """The dump id of each TABLE that has rows in the dump -> the dump id of its TABLE DATA."""
        return {d: e.dump_id for e in self.toc.entries if e.description == "TABLE DATA" for d in e.dependencies if self.is_table(d)}

    def first(self, description: str) -> TocEntry | None:
        """The only (or first) entry of this kind."""
        return next((e for e in self.toc.entries if e.description == description), None)


@dataclass(frozen=True)
class Source:
    """What the only database of a job comes from, as it was read: the manifest without digests of rows."""

    manifest: Manifest
    archive: Archive


@dataclass(frozen=True)
class Division:
    """Which step restores what; `left_out` maps dump ids to reasons."""

    extensions: tuple[TocEntry, ...]
    pre_data: tuple[TocEntry, ...]
    early: tuple[TocEntry, ...]
    post_data: tuple[TocEntry, ...]
    left_out: dict[int, str]


def fetch(s3: "S3Client", bucket: str, backup: DatabaseBackup, encoding: str | None = None) -> Archive:
    """Read the TOC (never the dump). `encoding` is that of the new database, if it isn't the dump's.

    Raises BackupDamaged if the TOC isn't what the manifest says, ReplayFailed if its texts can't be in that encoding."""
    stored = backup.toc
    content = verified_range(
        s3,
        backup.files[stored.file].place(bucket),
        offset=stored.offset,
        length=stored.length,
        sha256=stored.sha256,
        what=f"the table of contents of {backup.name}",
    )
    toc, codec = _parsed(content), pgdump_encoding.python_codec(backup.client_encoding)
    manifest_check.require_whole(toc, backup)
    if backup.client_encoding != "SQL_ASCII" or encoding in (None, "SQL_ASCII"):
        return Archive(toc, codec)
    # A server takes bytes of no encoding as those of the database's own.
    codec = pgdump_encoding.python_codec(encoding)
    try:
        return Archive(pgdump_toc.recoded(toc, codec), codec)
    except BackupDamaged as error:
        raise ReplayFailed(f"{backup.name}: not everything in this SQL_ASCII dump is {encoding}: {error}") from error


def _parsed(stored: Iterator[bytes]) -> Toc:
    """Read while it comes: of 20,000 tables it has some 30 MB. It counts only when it was seen to be the manifest's to its last byte, and
    that it isn't is said before what it seems to say."""
    try:
        return pgdump_toc.parse(stored)
    finally:
        for _ in stored:
            pass


def divide(toc: Toc) -> Division:
    """Assign every entry."""
    gone = left_out(toc)
    extensions = tuple(e for e in toc.entries if e.description == "EXTENSION")
    made_with_extensions = _schemas_of(extensions, toc.entries)
    remaining = [e for e in toc.entries if e.dump_id not in gone and e.dump_id not in made_with_extensions and not _has_own_step(e)]
    early = tuple(_early(remaining, toc.entries))
    early_ids = {e.dump_id for e in early}
    return Division(
        extensions,
        tuple(e for e in remaining if e.section == "pre-data"),
        early,
        tuple(e for e in remaining if e.section != "pre-data" and e.dump_id not in early_ids),
        gone,
    )


def fix_ups(toc: Toc, reasons: dict[int, str]) -> list[FixUp]:
    """One line per entry that is not restored for one of the `reasons` (by dump id), or whose tablespace isn't used."""
    gone = [FixUp(entry=toc.by_dump_id[i].label, what=f"not restored: {reason}") for i, reason in reasons.items()]
    moved = [
        FixUp(entry=e.label, what=f"tablespace {e.tablespace} is not used; it is in the target's default tablespace")
        for e in toc.entries
        if e.tablespace and e.description != "DATABASE"
    ]
    return gone + moved


def left_out(toc: Toc) -> dict[int, str]:
    """Entries with a reason of their own, then those that cannot be without one of them. TOC order puts what is needed first."""
    found: dict[int, str] = {}
    for entry in toc.entries:
        missing = [d for d in entry.dependencies if d in found]
        if entry.description in LEFT_OUT:
            found[entry.dump_id] = LEFT_OUT[entry.description]
        elif missing:
            found[entry.dump_id] = f"it depends on {toc.by_dump_id[missing[0]].label}, which was not restored"
    # What lies in the schema public doesn't need the dump's entry for it, so that one takes nothing with it.
    return found | {e.dump_id: _PUBLIC_SCHEMA for e in toc.entries if e.description != "ACL" and is_public(e)}


def is_public(entry: TocEntry) -> bool:
    """Whether the entry is the schema public, its comment or its privileges."""
    # --quote-all-identifiers quotes in the tags of comments and privileges too.
    return (entry.description, entry.tag.replace('"', "")) in _OF_PUBLIC


def _has_own_step(entry: TocEntry) -> bool:
    return entry.description in OWN_STEPS or (entry.description == "COMMENT" and entry.tag.startswith(_COMMENTS_OF_OWN_STEPS))


def _schemas_of(extensions: tuple[TocEntry, ...], entries: tuple[TocEntry, ...]) -> set[int]:
    """Schemas that must be there before the extensions that live in them."""
    needed = {d for e in extensions for d in e.dependencies}
    return {e.dump_id for e in entries if e.description == "SCHEMA" and e.dump_id in needed}


def _early(remaining: list[TocEntry], entries: tuple[TocEntry, ...]) -> Iterator[TocEntry]:
    """Indexes and unique constraints that wait for the rows of one table and for each other (a partition's for its parent's) alone."""
    tables = {e.dump_id for e in entries if e.description == "TABLE"}
    late = {e.dump_id for e in entries if e.section == "post-data"}
    for entry in remaining:
        needed = set(entry.dependencies)
        if entry.description in ("INDEX", "CONSTRAINT") and len(needed & tables) == 1 and not needed & late:
            late.remove(entry.dump_id)
            yield entry
