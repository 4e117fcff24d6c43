"""The servers behind the DB instances and clusters of the local cloud: real PostgreSQL, simulated SQL Server.

Invariant: a server runs only while its DB instance exists; `shutdown` ends all, and a start removes what a killed cloud left.
"""

import json
import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from localcloud.base import certificates, clock, consistency
from localcloud.base.clients import HOME, Place
from localcloud.postgresql import instances as postgresql_instances
from localcloud.postgresql.instances import PostgreSql
from localcloud.rds.way_in import WayIn
from localcloud.sqlserver import instances as sqlserver_instances
from localcloud.sqlserver.engine import SqlServerEngine
from localcloud.sqlserver.instances import SqlServer

HOST = "localhost"
POSTGRESQL = "postgres"
ENGINES = (POSTGRESQL, *sqlserver_instances.ENGINES)
# Seconds on AWS until a simulated server is there (assumed); a real one takes its time by itself.
CREATION = 30.0
# Seconds on AWS, at most, until the rules of a group are in force after its change (assumed): the change itself and a while.
IN_FORCE = 90.0


class Server(Protocol):
    """What stands behind a DB instance. A stopped one starts again on its port, with all it held."""

    @property
    def port(self) -> int: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def discard(self) -> None: ...

    def set_password(self, password: str) -> None: ...

    def free_bytes(self) -> int: ...

    def change(self, asked: Mapping[str, Any]) -> None: ...


_log = logging.getLogger(__name__)
_servers: dict[str, Server] = {}
_ways: dict[str, WayIn] = {}
_directory = Path()
_authority = certificates.Authority(Path())


def install(directory: Path, authority: certificates.Authority) -> None:
    """Keep servers under `directory` (short paths: a socket's path may have 107 bytes), with certificates of `authority`.

    Run as root, the PostgreSQL servers run as an unprivileged user, who must be able to enter `directory`.
    """
    global _directory, _authority
    _directory, _authority = directory, authority
    postgresql_instances.clear(directory)


def server_of(instance: Any) -> Server | None:
    """The server of moto's DB instance or cluster, a member's its cluster's; None while it is being made and for engines that have none
    here."""
    return _servers.get(_key(instance))


def _key(instance: Any) -> str:
    owner = vars(instance).get("cluster", instance)
    return str(vars(owner).get("db_cluster_resource_id") or owner.dbi_resource_id)


def password_of(instance: Any) -> str:
    """The master user's, of an instance or a cluster."""
    if instance.manage_master_user_password:
        return str(json.loads(instance.master_user_secret.secret.secret_string)["password"])
    return str(instance._master_user_password)


def engine_of(identifier: str, place: Place = HOME) -> SqlServerEngine:
    """The simulated SQL Server of a DB instance, for tests that set its switches. Raises LookupError."""
    for server in list(_servers.values()):
        if isinstance(server, SqlServer) and (server.identifier, server.place) == (identifier.lower(), place):
            return server.engine
    raise LookupError(f"no running SQL Server belongs to a DB instance {identifier}")


def create(instance: Any, password: str) -> None:
    """Start a server for moto's DB instance, or for what shows a cluster as one, in the background; its status then becomes `available`, or
    `failed`."""
    instance.status = "creating"
    name = f"making {instance.db_instance_identifier}"
    threading.Thread(target=_create, args=(instance, password), name=name, daemon=True).start()


def remove(instance: Any) -> None:
    """Stop the server and delete its data; absence is success. A member's stays as long as its cluster."""
    if "cluster" in vars(instance):
        return
    if way := _ways.pop(_key(instance), None):
        way.stop()
    if server := _servers.pop(_key(instance), None):
        server.discard()


def open_late(instance: Any) -> None:
    """A group was put on the instance's list: while the cloud is inconsistent, its rules are in force a while after the list is."""
    way, late = _ways.get(_key(instance)), consistency.current()
    if way and late:
        way.close_for(clock.shortened(late.seconds("rules in force", IN_FORCE)))


def shutdown() -> None:
    """End and delete all servers."""
    while _ways:
        _ways.popitem()[1].stop()
    while _servers:
        _servers.popitem()[1].discard()


def _create(instance: Any, password: str) -> None:
    try:
        server = _started(instance, password)
    except Exception:
        _log.exception("the server of DB instance %s did not start", instance.db_instance_identifier)
        instance.status = "failed"
    else:
        _join(instance, server)


def _join(instance: Any, server: Server) -> None:
    if instance.status == "deleting":  # which people may do before it is there
        server.discard()
        return
    _servers[instance.dbi_resource_id] = server
    instance.port = _port(instance, server)
    instance.status = "available"


def _port(instance: Any, server: Server) -> int:
    # A token of IAM names the server's own port.
    if consistency.current() is None or instance.iam_database_authentication_enabled:
        return server.port
    way = _ways[instance.dbi_resource_id] = WayIn(server.port)
    return way.port


def _started(instance: Any, password: str) -> Server:
    if instance.engine == POSTGRESQL:
        return PostgreSql(instance, password, _authority, HOST, _directory)
    time.sleep(clock.shortened(CREATION))
    return SqlServer(instance, password, _authority, HOST)
