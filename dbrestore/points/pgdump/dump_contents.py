"""What a dump leaves out and what a restore of it can't bring back, told by the counts of its entries and by its manifest's own notes.
Invariant: these are notes for a person and refuse nothing, because a dump of definitions alone may be exactly what was wanted.
"""

from typing import Final

from dbrestore.contract.manifest import DatabaseBackup

# The descriptions of what pg_dump writes after the data of ordinary tables. Without one of them the section was probably left out.
_AFTER_THE_DATA: Final = ("INDEX", "CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "TRIGGER")
# The kinds that the worker leaves to a person (`LEFT_OUT` of the worker's archive), with one description for each: others depend on them.
LEFT_TO_A_PERSON: Final = {
    "EVENT TRIGGER": "event triggers",
    "PUBLICATION": "publications",
    "SUBSCRIPTION": "subscriptions",
    "SECURITY LABEL": "security labels",
    "FOREIGN DATA WRAPPER": "foreign data wrappers",
    "SERVER": "foreign servers",
    "USER MAPPING": "user mappings",
    "FOREIGN TABLE": "foreign tables",
    "PROCEDURAL LANGUAGE": "procedural languages",
    "ACCESS METHOD": "access methods",
}


def tables(backup: DatabaseBackup) -> int:
    """Tables that the dump creates, partitioned ones and their partitions included, foreign ones not."""
    return backup.object_counts.get("TABLE", 0)


def tables_without_data(backup: DatabaseBackup) -> int:
    """At least so many of its tables have no data entry. A table that was dumped empty has one."""
    return max(0, tables(backup) - len(backup.tables))


def notes(backup: DatabaseBackup) -> list[str]:
    """Sentences about what a restore of this dump can't bring back."""
    found = []
    without = tables_without_data(backup)
    if without:
        found.append(
            f"tables {tables(backup)}, without data {without}: they are restored empty. Partitioned tables hold no rows themselves, and "
            "those of unlogged tables may be left out; otherwise pg_dump left data out (--schema-only, --exclude-table-data, --section)"
        )
    if tables(backup) and not any(backup.object_counts.get(description) for description in _AFTER_THE_DATA):
        found.append("no indexes, constraints or triggers in this dump")
    left = [f"{backup.object_counts[kind]} {name}" for kind, name in LEFT_TO_A_PERSON.items() if kind in backup.object_counts]
    if left:
        found.append(f"not restored, because they reach beyond the database or need a superuser: {', '.join(left)}")
    return [*found, *backup.notes]
