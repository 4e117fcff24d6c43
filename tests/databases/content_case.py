"""A dump's digests held against a living database, table by table, as the verification does it."""

from pathlib import Path

import psycopg

from repository import pgdump_scan, pgdump_toc
from worker import content_checks, copy_target
from worker.content_checks import Content
from worker.job import Check


def expected(dump: Path) -> dict[str, Content]:
    """What each table of a dump must hold, by its name without the schema."""
    toc = pgdump_scan.peek(dump)
    contents = pgdump_scan.scan(dump, toc, lambda _: None)
    statements = {entry.dump_id: entry.copy_statement for entry in toc.entries}
    encoding = pgdump_toc.client_encoding(toc.entries)
    found = {}
    for member in contents.tables:
        target = copy_target.parse(statements[member.dump_id])
        found[member.table] = content_checks.expected([(target, member)], encoding)
    return found


def compared(connection: psycopg.Connection, content: Content) -> Check:
    """The check of one table."""
    found: list[Check] = []
    content_checks.compare(content, [content.table], found, connection)
    return found[0]
