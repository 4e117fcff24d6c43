"""The value of a sequence, as pg_dump writes it: `SELECT pg_catalog.setval('public.orders_id_seq', 7, true);`."""

import re

from psycopg import sql

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.session import Connection

_SETVAL = re.compile(r"SELECT pg_catalog\.setval\('.*', (-?\d+), (true|false)\);\s*", re.DOTALL)


def parse(entry: TocEntry) -> tuple[int, bool] | None:
    """(last value, whether it was called) of a SEQUENCE SET entry; None if it says something else."""
    found = _SETVAL.fullmatch(entry.definition)
    return (int(found[1]), found[2] == "true") if found else None


def set_to(connection: Connection, entry: TocEntry) -> None:
    """Set the sequence by a statement of our own."""
    value = parse(entry)
    if value is not None:
        name = sql.Identifier(*filter(None, (entry.schema_name, entry.tag))).as_string()
        connection.execute("SELECT setval(%s::regclass, %s, %s)", [name, *value])
