"""What it costs to build an object on rows that are there, in bytes of COPY text that could be loaded meanwhile: for the progress, and for
the order of constraints. Estimates: nothing else depends on them.

Measured with PostgreSQL 17 on one core: COPY takes 90 to 120 MB/s of text, a B-tree index about 300 MB/s of its table's, three times as
long on a text, GIN 50; a foreign key's check 400 MB/s is assumed.
"""

import re
from collections.abc import Iterable
from typing import Final

from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.archive import Archive

# Of a table's bytes, in percent.
_PERCENT: Final = {"INDEX": 35, "CONSTRAINT": 35, "FK CONSTRAINT": 25, "CHECK CONSTRAINT": 25, "MATERIALIZED VIEW DATA": 100}
_SLOW_PERCENT: Final = 200
# Of a B-tree index on a text or an expression, whose comparisons and keys are longer.
_TEXT_PERCENT: Final = 100
_TEXTS: Final = "(text|character varying|character|citext|numeric|json|jsonb|bytea)"
_INDEXED: Final = re.compile(r" USING btree \((\w+(?: \w+)*(?:, \w+(?: \w+)*)*)\)")
_SLOW: Final = (" USING gin ", " USING gist ", " USING spgist ")
# So that many objects of empty tables count for something.
_EACH: Final = 8 << 10


def of(archive: Archive, backup: DatabaseBackup, entries: Iterable[TocEntry]) -> dict[int, int]:
    """By dump id, for every entry that is an index, a constraint or a materialized view's refresh."""
    size_of_data = {member.dump_id: member.uncompressed_length for member in backup.tables}
    size_of = {table: size_of_data.get(data, 0) for table, data in archive.data_of.items()}
    return {e.dump_id: _EACH + _percent(e, archive) * _size(e, size_of) // 100 for e in entries if e.description in _PERCENT}


def _percent(entry: TocEntry, archive: Archive) -> int:
    if entry.description != "INDEX":
        return _PERCENT[entry.description]
    if any(method in entry.definition for method in _SLOW):
        return _SLOW_PERCENT
    return _TEXT_PERCENT if _is_on_text(entry, archive) else _PERCENT["INDEX"]


def _is_on_text(entry: TocEntry, archive: Archive) -> bool:
    """By the words of pg_dump; what isn't understood counts as text."""
    found = _INDEXED.search(entry.definition)
    table = next((archive.by_dump_id[d] for d in entry.dependencies if archive.is_table(d)), None)
    if found is None or table is None:
        return True
    names = "|".join(re.escape(column.split()[0]) for column in found[1].split(", "))
    return re.search(rf"^    ({names}) {_TEXTS}\b", table.definition, re.MULTILINE) is not None


def _size(entry: TocEntry, size_of: dict[int, int]) -> int:
    """Of the largest table that it is about."""
    return max((size_of.get(dump_id, 0) for dump_id in entry.dependencies), default=0)
