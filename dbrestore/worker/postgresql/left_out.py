"""What of a dump was left out because the request allowed it, and what depends on that: written down by the replay, read by verification.

Invariant: an entry that is left out takes with it every entry that the dump says depends on it, and each is told with its reason.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from dbrestore.contract.document import Document
from dbrestore.contract.job import LeftOut
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.base.job_folder import JobFolder
from dbrestore.worker.postgresql import archive as archives
from dbrestore.worker.postgresql.archive import Archive


class LeftOutRecord(Document):
    """`restores/<restore id>/left-out/<temporary name>.json`. `dump_ids`: entries that verification must not look for; `left_out` tells of
    those that make the restore incomplete (the others have a fix-up); `through_root`: rows that were loaded through the root of their
    partition."""

    dump_ids: tuple[int, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    through_root: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reason:
    """Why an entry is left out; what is `harmless` is told as a fix-up and no loss."""

    why: str
    harmless: bool = False


class Omissions:
    """What is left out of one database so far. All methods may be called from any thread."""

    def __init__(self, archive: Archive, backup: DatabaseBackup) -> None:
        self._archive, self._backup = archive, backup
        self._reasons: dict[int, Reason] = {}
        self._further: list[LeftOut] = []
        self._lock = threading.Lock()

    def add(self, entry: TocEntry, why: str, *, harmless: bool = False) -> None:
        """Leave the entry out; a first reason stands."""
        with self._lock:
            self._reasons.setdefault(entry.dump_id, Reason(why, harmless))

    def tell(self, note: LeftOut) -> None:
        """Tell of something that isn't an entry of the dump."""
        with self._lock:
            self._further.append(note)

    def includes(self, entry: TocEntry) -> bool:
        """Whether the entry is left out, which it is with anything that it depends on."""
        with self._lock:
            return self._follows(entry)

    def without(self, entries: Iterable[TocEntry]) -> tuple[TocEntry, ...]:
        """Those that are not left out, in their order, which must be the dump's."""
        return tuple(entry for entry in entries if not self.includes(entry))

    def record(self) -> LeftOutRecord:
        """Everything, in the dump's order."""
        with self._lock:
            chosen = [entry for entry in self._archive.toc.entries if self._follows(entry)]
            gone = {entry.dump_id for entry in chosen}
            rows = {member.dump_id: member.rows for member in self._backup.tables if member.dump_id in gone}
            losses = [entry for entry in chosen if not self._reasons[entry.dump_id].harmless]
            notes = [self._note(e, rows.get(e.dump_id, 0)) for e in losses if e.description != "TABLE DATA" or rows.get(e.dump_id)]
        return LeftOutRecord(dump_ids=tuple(e.dump_id for e in chosen), left_out=(*self._further, *notes))

    def _follows(self, entry: TocEntry) -> bool:
        if entry.dump_id in self._reasons:
            return True
        missing = next((d for d in entry.dependencies if self._takes_with_it(d)), None)
        if missing is not None:
            self._reasons[entry.dump_id] = Reason(f"it depends on {self._archive.by_dump_id[missing].label}, which was left out")
        return missing is not None

    def _takes_with_it(self, dump_id: int) -> bool:
        """A function is said to depend on each transform of its language for one of its types, whether it uses it or not; the server
        refuses one that does."""
        reason = self._reasons.get(dump_id)
        return reason is not None and not reason.harmless and self._archive.by_dump_id[dump_id].description != "TRANSFORM"

    def _note(self, entry: TocEntry, rows: int) -> LeftOut:
        statement = (entry.definition or entry.copy_statement).strip()
        return LeftOut(entry=entry.label, why=self._reasons[entry.dump_id].why, sql=statement, rows=rows)


def save(folder: JobFolder, database: str, record: LeftOutRecord) -> None:
    """Keep the record of the database with this temporary name, over that of an earlier attempt."""
    folder.write_left_out(database, record)


def load(folder: JobFolder, database: str) -> LeftOutRecord:
    """The record that the replay kept of the database with this temporary name; an empty one if it kept none."""
    content = folder.left_out(database)
    return LeftOutRecord.from_json(content) if content else LeftOutRecord()


def gone(archive: Archive, record: LeftOutRecord) -> frozenset[int]:
    """The dump ids of all that this replay didn't restore: what none does, and what it left out."""
    return frozenset((*archives.left_out(archive.toc), *record.dump_ids))
