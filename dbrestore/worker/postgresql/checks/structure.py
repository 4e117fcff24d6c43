"""Is every object of the dump there, and does it work? Constraints validated, indexes valid, triggers firing as they did.

Invariant: an entry of the table of contents is found in the catalogue, restored by a step that reports for itself, or left out
with a fix-up; an entry of a kind that is unknown here counts as missing.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet

from dbrestore.contract.job import Check
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql import addresses, catalogue
from dbrestore.worker.postgresql.addresses import Key
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.catalogue import Objects
from dbrestore.worker.postgresql.checks import comments
from dbrestore.worker.postgresql.checks.comments import Comments
from dbrestore.worker.postgresql.rights import row_security
from dbrestore.worker.postgresql.session import Connection

# Checked by the steps that do them: rows and sequence values, privileges, the promotion; the rest are settings of the archive.
_CHECKED_ELSEWHERE = frozenset(
    {
        "TABLE DATA",
        "BLOBS",
        "SEQUENCE SET",
        "STATISTICS DATA",
        "ACL",
        "DEFAULT ACL",
        "DATABASE",
        "DATABASE PROPERTIES",
        "ENCODING",
        "STDSTRINGS",
        "SEARCHPATH",
    }
)
_CONSTRAINTS = ("CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT")
# How the definition of a constraint ends -> what the catalogue says of it.
_UNPROVEN = {" NOT VALID": "not valid", " NOT ENFORCED": "not enforced"}
# A partition's trigger that fires otherwise than its parent's.
_DEVIATING = """SELECT n.nspname, ARRAY[c.relname::text, x.tgname] FROM pg_trigger AS x JOIN pg_trigger AS p ON p.oid = x.tgparentid
    JOIN pg_class AS c ON c.oid = x.tgrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE x.tgenabled <> p.tgenabled AND x.tgconstrrelid = 0"""
_ACCESS_METHODS = """SELECT n.nspname::text, c.relname::text, a.amname::text FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam
    JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'm') AND a.amname <> ALL(%s)"""


def check(master: Connection, archive: Archive, gone: Collection[int]) -> list[Check]:
    """Every object, as the catalogue has it. `gone`: the dump ids of what was left out."""
    present = catalogue.objects(master)
    entries = [e for e in archive.toc.entries if e.dump_id not in gone]
    return [
        *_presence(entries, present, comments.read(master)),
        *_unproven(entries, present),
        _valid_indexes(master),
        _triggers(master, entries, present),
        _row_security(entries, present),
        _forced_row_security(entries, present),
        _access_methods(master, entries),
    ]


def _presence(entries: list[TocEntry], present: Objects, found: Comments) -> Iterator[Check]:
    """One row per kind with counts, and one per missing object."""
    wanted = [e for e in entries if _is_checked_here(e)]
    missing = [e for e in wanted if e.description != "COMMENT" and not _is_there(e, present)]
    missing += comments.lost(entries, present, found)
    lacking = Counter(entry.description for entry in missing)
    for description, count in sorted(Counter(entry.description for entry in wanted).items()):
        yield _row(f"{description} present", str(count), str(count - lacking[description]))
    for entry in missing:
        yield Check(check=entry.label, expected="present", actual="missing", result="failed")


def _is_checked_here(entry: TocEntry) -> bool:
    if entry.description == "COMMENT":
        return comments.is_checked_here(entry)
    return entry.description not in _CHECKED_ELSEWHERE


def _is_there(entry: TocEntry, present: Objects) -> bool:
    keys = addresses.object_keys(entry)
    return bool(keys) and all(key in present for key in keys)


def _unproven(entries: list[TocEntry], present: Objects) -> Iterator[Check]:
    """The dump itself says which constraints were never validated, or are not enforced."""
    for ending, state in _UNPROVEN.items():
        allowed = {
            key
            for e in entries
            if e.description in _CONSTRAINTS and e.definition.rstrip().removesuffix(";").endswith(ending)
            for key in addresses.object_keys(e)
        }
        found = present.unproven(state)
        yield _row(f"constraints {state.replace('valid', 'validated')}", _listed(allowed), _listed(found))


def _valid_indexes(master: Connection) -> Check:
    """A partitioned index is valid when all its parts are attached, which the INDEX ATTACH entries show."""
    rows = master.execute(
        "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
        "WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready AND i.indislive)"
    )
    return _row("indexes that are not valid", "none", ", ".join(row[0] for row in rows) or "none")


def _triggers(master: Connection, entries: list[TocEntry], present: Objects) -> Check:
    """Each as its entry says; a partition's trigger that has no entry as its parent's."""
    expected = {key: addresses.firing(e) for e in entries if e.description == "TRIGGER" for key in addresses.object_keys(e)}
    wrong = [
        f"{' '.join(key.names)} is {found.state}, was {state}"
        for key, state in expected.items()
        for found in present.get(key)
        if found.state != state
    ]
    deviating = {Key("TRIGGER", schema, tuple(names)) for schema, names in master.execute(_DEVIATING)}
    wrong += [f"{' '.join(key.names)} is not as its parent's" for key in deviating - expected.keys() if key in present]
    return _row("triggers firing differently", "none", ", ".join(wrong) or "none")


def _row_security(entries: list[TocEntry], present: Objects) -> Check:
    """On exactly where it has an entry: elsewhere it would hide every row from those who may read the table."""
    secured = {key._replace(kind="TABLE") for key in _keys(entries, "ROW SECURITY")}
    expected = {key for key in _keys(entries, "TABLE") if key in secured}
    found = {key for key in _keys(entries, "TABLE") if key._replace(kind="ROW SECURITY") in present}
    return _row("row security enabled", _listed(expected), _listed(found))


def _access_methods(master: Connection, entries: list[TocEntry]) -> Check:
    """Archives before version 1.14 (pg_dump 11 and older) name none. As a rule all tables have the same one: then none need be known."""
    named = {e.access_method for e in entries} - {""}
    found = {(schema, name): method for schema, name, method in master.execute(_ACCESS_METHODS, [list(named) if len(named) == 1 else []])}
    wrong = [
        f"{e.schema_name}.{e.tag} is {method}, was {e.access_method}"
        for e in entries
        if e.access_method and (method := found.get((e.schema_name, e.tag), e.access_method)) != e.access_method
    ]
    return _row("access methods other than the dump's", "none", ", ".join(wrong) or "none")


def _keys(entries: list[TocEntry], description: str) -> Iterator[Key]:
    """One by one: of tables there are many."""
    return (key for e in entries if e.description == description for key in addresses.object_keys(e))


def _forced_row_security(entries: list[TocEntry], present: Objects) -> Check:
    """ALTER TABLE ... FORCE ROW LEVEL SECURITY is a part of the table's own entry."""
    forced = [e for e in entries if e.description == "TABLE" and row_security.is_forced(e)]
    expected = set(_keys(forced, "TABLE"))
    found = {key for key in _keys(entries, "TABLE") if key._replace(kind="FORCED ROW SECURITY") in present}
    return _row("row security forced on owners", _listed(expected), _listed(found))


def _listed(keys: AbstractSet[Key]) -> str:
    return ", ".join(sorted(f"{key.schema_name}.{' '.join(key.names)}" for key in keys)) or "none"


def _row(name: str, expected: str, actual: str) -> Check:
    return Check(check=name, expected=expected, actual=actual, result="ok" if expected == actual else "failed")
