"""The comments of a dump, each compared with what the catalogue says of the very object that it is on.

Invariant: no comment is read, only its digest: code of the dump can make any number of them as long as a gigabyte.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dbrestore.points.pgdump.toc import Toc, TocEntry
from dbrestore.worker.postgresql import addresses
from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.catalogue import Objects
from dbrestore.worker.postgresql.session import Connection
from dbrestore.worker.postgresql.sql_tokens import Cursor, NotUnderstood, tokens

# What pg_dump calls CONSTRAINT in a comment has three descriptions.
_CONSTRAINTS = ("CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT")
# Restored by steps of their own, which report for themselves.
_ELSEWHERE = ("DATABASE ", "EXTENSION ")

# Of the bytes in the session's encoding.
_DIGEST = "sha256(textsend(d.description))"
_OBJECTS = f"SELECT d.classoid, d.objoid, {_DIGEST} FROM pg_description AS d WHERE d.objsubid = 0"  # noqa: S608 - our own texts
_COLUMNS = f"""SELECT n.nspname, ARRAY[c.relname::text, a.attname], {_DIGEST} FROM pg_description AS d
    JOIN pg_class AS c ON c.oid = d.objoid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid
    WHERE d.classoid = 'pg_class'::regclass AND d.objsubid > 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""  # noqa: S608 - our own texts


@dataclass(frozen=True)
class Comment:
    """What a COMMENT entry says, and of what."""

    key: Key
    text: str


@dataclass(frozen=True)
class Comments:
    """The digests of the catalogue's comments in the session's encoding: of objects by class and object id, of columns by key."""

    encoding: str
    of_objects: dict[tuple[int, int], bytes]
    of_columns: dict[Key, bytes]

    def has(self, comment: Comment, present: Objects) -> bool:
        """Whether the object has exactly this comment."""
        digest = hashlib.sha256(comment.text.encode(self.encoding, "backslashreplace")).digest()
        if comment.key.kind == "COLUMN":
            return self.of_columns.get(comment.key) == digest
        kinds = _CONSTRAINTS if comment.key.kind == "CONSTRAINT" else (comment.key.kind,)
        found = [each for kind in kinds for each in present.get(comment.key._replace(kind=kind))]
        return any(self.of_objects.get((each.class_id, each.object_id)) == digest for each in found)


def read(master: Connection) -> Comments:
    """All comments of the database."""
    of_objects = {(class_id, object_id): digest for class_id, object_id, digest in master.execute(_OBJECTS.encode())}
    rows = master.execute(_COLUMNS.encode())
    columns = {Key("COLUMN", schema, tuple(names)): digest for schema, names, digest in rows}
    return Comments(master.info.encoding, of_objects, columns)


def lost(entries: list[TocEntry], present: Objects, found: Comments) -> Iterator[TocEntry]:
    """The COMMENT entries whose object has another comment or none."""
    doubled = _is_doubled(entries)
    for entry in entries:
        if is_checked_here(entry):
            try:
                if found.has(_parse(entry.definition, doubled=doubled), present):
                    continue
            except NotUnderstood:
                pass
            yield entry


def text_of(entry: TocEntry, toc: Toc) -> str:
    """What a COMMENT entry says. Raises NotUnderstood."""
    return _parse(entry.definition, doubled=_is_doubled(toc.entries)).text


def is_checked_here(entry: TocEntry) -> bool:
    """Whether the entry is a comment that no other step reports on."""
    return entry.description == "COMMENT" and not entry.tag.startswith(_ELSEWHERE)


def _is_doubled(entries: Iterable[TocEntry]) -> bool:
    return any(e.description == "STDSTRINGS" and "'off'" in e.definition for e in entries)


def _parse(definition: str, *, doubled: bool) -> Comment:
    """`doubled`: a backslash is written as two, as under `standard_conforming_strings = off`. Raises NotUnderstood."""
    cursor = Cursor(tokens(definition))
    cursor.word("comment")
    cursor.word("on")
    key = addresses.address(cursor)
    cursor.word("is")
    text = cursor.text()
    cursor.symbol(";")
    cursor.end()
    return Comment(key, text.replace("\\\\", "\\") if doubled else text)
