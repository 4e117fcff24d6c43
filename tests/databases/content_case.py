"""A dump's digests held against a living database, table by table, as the verification does it."""

from pathlib import Path

import psycopg

from dbrestore.contract.job import Check
from dbrestore.points.pgdump import scan as pgdump_scan
from dbrestore.points.pgdump import toc as pgdump_toc
from dbrestore.worker.postgresql.checks import content as content_checks
from dbrestore.worker.postgresql.checks.content import Content
from dbrestore.worker.postgresql.rows import copy_target


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
