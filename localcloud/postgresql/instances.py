"""The real PostgreSQL server behind a DB instance: its data directory, its port, and what the RDS API changes on it."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from localcloud.base import certificates
from localcloud.iam import database_tokens
from localcloud.iam.database_tokens import Door
from localcloud.postgresql import server as postgresql
from localcloud.postgresql.iam_logins import IamLogins

# What `kill` and `stop -m immediate` leave is read again without these: they are for a computer that loses power.
_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class PostgreSql:
    """A running server. Stopping it keeps its data; `discard` deletes them."""

    def __init__(self, instance: Any, password: str, authority: certificates.Authority, host: str, directory: Path) -> None:
        self._instance, self._authority, self._host = instance, authority, host
        # Never the identifier: 63 characters of it would not leave room for the socket's name.
        place = directory / instance.dbi_resource_id.rpartition("-")[2][:8]
        certificate, key = certificates.issue(authority, host)
        try:
            self._server = postgresql.start(place, certificate=certificate, key=key, settings=_SETTINGS, version=instance.engine_version)
            postgresql.create_master(self._server, instance.master_username, password)
            if instance.db_name:
                _create_database(self._server, instance.db_name, instance.master_username)
            self._logins = self._with_iam(certificate, key) if instance.iam_database_authentication_enabled else None
        except Exception:
            _discard(postgresql.Server(place, 0, postgresql.binaries(directory)))
            raise

    @property
    def port(self) -> int:
        """Where clients find it."""
        return self._logins.port if self._logins else self._server.port

    def start(self) -> None:
        """Start it again on the port it had."""
        port = self._server.port
        certificate, key = certificates.issue(self._authority, self._host)
        again = postgresql.start(
            self._server.directory,
            certificate=certificate,
            key=key,
            settings={**_SETTINGS, "port": str(port)},
            version=self._instance.engine_version,
        )
        self._server = replace(again, port=port)
        if self._logins:
            self._logins = self._with_iam(certificate, key, self._logins.port)

    def stop(self) -> None:
        """Stop it."""
        if self._logins:
            self._logins.stop()
        postgresql.stop(self._server)

    def discard(self) -> None:
        """Stop it and delete its data."""
        if self._logins:
            self._logins.stop()
        _discard(self._server)

    def _with_iam(self, certificate: Path, key: Path, port: int = 0) -> IamLogins:
        return IamLogins(self._server, certificate, key, self._refusal, port)

    def _refusal(self, user: str, token: str) -> str | None:
        instance = self._instance
        where = Door(self._host, self.port, instance.region, instance.account_id, instance.dbi_resource_id, user)
        return database_tokens.refusal(token, where)

    def set_password(self, password: str) -> None:
        """The master user's."""
        postgresql.set_password(self._server, self._instance.master_username, password)

    def free_bytes(self) -> int:
        """Allocated storage less the size of the data directory."""
        return int(self._instance.allocated_storage) * 1024**3 - _size(self._server.directory / "data")

    def change(self, asked: Mapping[str, Any]) -> None:
        """Nothing of a ModifyDBInstance reaches the server but the password."""


def clear(directory: Path) -> None:
    """Remove what a killed cloud left under `directory`."""
    for left in directory.glob("*/data"):
        _discard(postgresql.Server(left.parent, 0, postgresql.binaries(directory)))


def _create_database(server: postgresql.Server, name: str, owner: str) -> None:
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))


def _discard(server: postgresql.Server) -> None:
    postgresql.stop(server)
    shutil.rmtree(server.directory, ignore_errors=True)


def _size(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue  # the server removes files while we look
    return total
