"""The real PostgreSQL servers behind the DB instances of the local cloud.

Invariant: a server runs only while its DB instance exists; `shutdown` ends all, and a start removes what a killed cloud left.
"""

import logging
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from localcloud import certificates, postgresql

HOST = "localhost"

_log = logging.getLogger(__name__)
_servers: dict[str, postgresql.Server] = {}
_directory = Path()
_authority = certificates.Authority(Path())


def install(directory: Path, authority: certificates.Authority) -> None:
    """Keep servers under `directory` (short paths: a socket's path may have 107 bytes), with certificates of `authority`.

    Run as root, the servers run as an unprivileged user, who must be able to enter `directory`.
    """
    global _directory, _authority
    _directory, _authority = directory, authority
    for left in directory.glob("*/data"):
        _discard(postgresql.Server(left.parent, 0, postgresql.binaries(directory)))


def server_of(instance: Any) -> postgresql.Server | None:
    """The server of moto's DB instance; None while it is being made and for engines that have none here."""
    return _servers.get(instance.dbi_resource_id)


def create(instance: Any, password: str) -> None:
    """Start a server for moto's DB instance in the background; its status then becomes `available`, or `failed`."""
    instance.status = "creating"
    threading.Thread(target=_create, args=(instance, password), daemon=True).start()


def stop(instance: Any) -> None:
    """Stop the server and keep its data, as StopDBInstance does."""
    if server := server_of(instance):
        postgresql.stop(server)


def start(instance: Any) -> None:
    """Start a stopped server on the port it had."""
    if server := server_of(instance):
        certificate, key = certificates.issue(_authority, HOST)
        again = postgresql.start(
            server.directory, certificate=certificate, key=key, settings={"port": str(server.port)}
        )
        _servers[instance.dbi_resource_id] = replace(again, port=server.port)


def set_password(instance: Any, password: str) -> None:
    """Give the master user another password."""
    if server := server_of(instance):
        postgresql.set_password(server, instance.master_username, password)


def remove(instance: Any) -> None:
    """Stop the server and delete its data; absence is success."""
    if server := _servers.pop(instance.dbi_resource_id, None):
        _discard(server)


def shutdown() -> None:
    """End and delete all servers."""
    while _servers:
        _discard(_servers.popitem()[1])


def stored_bytes(instance: Any) -> int:
    """The size of the instance's data directory."""
    server = server_of(instance)
    return _size(server.directory / "data") if server else 0


def _create(instance: Any, password: str) -> None:
    certificate, key = certificates.issue(_authority, HOST)
    # Never the identifier: 63 characters of it would not leave room for the socket's name.
    directory = _directory / instance.dbi_resource_id[3:11]
    try:
        server = postgresql.start(directory, certificate=certificate, key=key)
        postgresql.create_master(server, instance.master_username, password)
        if instance.db_name:
            _create_database(server, instance.db_name, instance.master_username)
    except Exception:
        _log.exception("the server of DB instance %s did not start", instance.db_instance_identifier)
        _discard(postgresql.Server(directory, 0, postgresql.binaries(_directory)))
        instance.status = "failed"
    else:
        _servers[instance.dbi_resource_id] = server
        instance.port = server.port
        instance.status = "available"


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
