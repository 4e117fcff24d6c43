"""Is every object of the dump there, and does it work? Constraints validated, indexes valid, triggers firing as they did.

Invariant: an entry of the table of contents is found in the catalogue, restored by a step that reports for itself, or left out
with a fix-up; an entry of a kind that is unknown here counts as missing.
"""

import re
from collections import Counter
from collections.abc import Iterator

from repository.manifest import DatabaseBackup
from repository.pgdump_toc import TocEntry
from worker import catalogue
from worker.archive import Archive, Division
from worker.catalogue import CatalogueObject, Key
from worker.job import Check
from worker.ownership import object_keys
from worker.session import Connection
from worker.sql_tokens import NotUnderstood, tokens

# Checked by the steps that do them: rows and sequence values, privileges, the promotion; the rest are settings of the archive.
_CHECKED_ELSEWHERE = frozenset({
    "TABLE DATA", "BLOBS", "SEQUENCE SET", "ACL", "DEFAULT ACL", "DATABASE", "DATABASE PROPERTIES", "ENCODING", "STDSTRINGS", "SEARCHPATH",
    "STATISTICS DATA",
})  # fmt: skip
_FIRING = re.compile(
    r"ALTER (?:FOREIGN )?TABLE .* (DISABLE|ENABLE ALWAYS|ENABLE REPLICA) TRIGGER [^;]*;\s*$", re.DOTALL
)
_FIRING_STATES = {"DISABLE": "disabled", "ENABLE ALWAYS": "always", "ENABLE REPLICA": "replica"}

Objects = dict[Key, list[CatalogueObject]]


def check(master: Connection, archive: Archive, division: Division, backup: DatabaseBackup) -> list[Check]:
    """All checks of the catalogue."""
    present = catalogue.objects(master)
    entries = [e for e in archive.toc.entries if e.dump_id not in division.left_out]
    return [
        *_presence(entries, present, Counter(catalogue.comments(master))),
        _validated(entries, present),
        _valid_indexes(master),
        _triggers(entries, present),
        _locale(master, backup),
    ]


def _presence(entries: list[TocEntry], present: Objects, comments: Counter[str]) -> Iterator[Check]:
    """One row per kind with counts, and one per missing object."""
    wanted: Counter[str] = Counter()
    missing: list[TocEntry] = []
    room = Counter({key: len(found) for key, found in present.items()})
    for entry in entries:
        if entry.description in _CHECKED_ELSEWHERE or _is_of_the_database(entry):
            continue
        wanted[entry.description] += 1
        if not (_take_comment(entry, comments) if entry.description == "COMMENT" else _take(entry, room)):
            missing.append(entry)
    lacking = Counter(entry.description for entry in missing)
    for description, count in sorted(wanted.items()):
        yield _row(f"{description} present", str(count), str(count - lacking[description]))
    for entry in missing:
        yield Check(check=entry.label, expected="present", actual="missing", result="failed")


def _take(entry: TocEntry, room: Counter[Key]) -> bool:
    """Whether the catalogue has what the entry stands for; each object answers for one entry."""
    for key in object_keys(entry):
        if room[key] <= 0:
            return False
        # Kinds whose names may be overloaded are counted off; a composite type's or a shell's entries share one object.
        room[key] -= key.description.startswith("OPERATOR")
    return True


def _take_comment(entry: TocEntry, comments: Counter[str]) -> bool:
    try:
        found = [token.value for token in tokens(_after_is(entry.definition)) if token.kind == "text"]
    except NotUnderstood:
        return False
    if len(found) != 1 or comments[found[0]] <= 0:
        return False
    comments[found[0]] -= 1
    return True


def _after_is(definition: str) -> str:
    """The text of a comment: what it is on may hold operators, so only the end is read."""
    return (
        definition[definition.rindex(" IS ") + 4 :]
        if " IS '" not in definition
        else definition[definition.index(" IS '") + 4 :]
    )


def _is_of_the_database(entry: TocEntry) -> bool:
    return entry.description == "COMMENT" and entry.tag.startswith("DATABASE ")


def _validated(entries: list[TocEntry], present: Objects) -> Check:
    """The dump itself says which constraints were never validated."""
    allowed = {object_keys(e)[0] for e in entries if e.definition.rstrip().removesuffix(";").endswith(" NOT VALID")}
    unvalidated = {key for key, found in present.items() if any(each.state == "not valid" for each in found)}
    return _row("constraints not validated", _listed(allowed), _listed(unvalidated))


def _valid_indexes(master: Connection) -> Check:
    """A partitioned index is valid when all its parts are attached, which the INDEX ATTACH entries show."""
    rows = master.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
        "WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready AND i.indislive)"
    )
    return _row("indexes that are not valid", "none", ", ".join(row[0] for row in rows) or "none")


def _triggers(entries: list[TocEntry], present: Objects) -> Check:
    wrong = []
    for entry in entries:
        if entry.description == "TRIGGER":
            last = _FIRING.search(entry.definition)
            expected = _FIRING_STATES[last[1]] if last else "enabled"
            found = present.get(object_keys(entry)[0], [])
            wrong += [f"{entry.tag} is {each.state}, was {expected}" for each in found if each.state != expected]
    return _row("triggers firing differently", "none", ", ".join(wrong) or "none")


def _locale(master: Connection, backup: DatabaseBackup) -> Check:
    row = master.execute(
        "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    return _row(
        "encoding, collation, character type",
        f"{backup.encoding}, {backup.collate}, {backup.ctype}",
        ", ".join(row or ()),
    )


def _listed(keys: set[Key]) -> str:
    return ", ".join(sorted(f"{key.schema_name}.{key.tag}" for key in keys)) or "none"


def _row(name: str, expected: str, actual: str) -> Check:
    return Check(check=name, expected=expected, actual=actual, result="ok" if expected == actual else "failed")
