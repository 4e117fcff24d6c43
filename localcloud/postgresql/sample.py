"""The sample database of the demonstration and of the tests: a web shop with every kind of object."""

from pathlib import Path

import psycopg

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "sample_database.sql"


def create(dsn: str, rows: int = 300_000) -> None:
    """Fill the (empty) database of `dsn` as its owner, an RDS-like master user; `rows` is the number of order lines.

    The script is one implicit transaction: either everything is there or nothing.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT set_config('sample.rows', %s, false)", [str(rows)])
        connection.execute(SCRIPT.read_bytes())
