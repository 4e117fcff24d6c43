"""DB clusters of PostgreSQL with a real server behind them: one for the whole cluster, which all its instances show as theirs.

| moto 5.2.5 | fixed to |
|---|---|
| no engine, `available` at once | a server, `creating` until it accepts connections |
| endpoints `<id>.cluster-...`, port 5432 | `localhost` and the server's port, of the cluster and of its members |
| default version 12.7 or 13.4, any accepted | as of instances |
| ModifyDBCluster changes the version's text | another one than the server's: `InvalidParameterCombination` |

Aurora's own functions, and what differs between its PostgreSQL and PostgreSQL, are not there. A failover (FailoverDBCluster) makes another
member the writer, and no connection breaks. moto refuses IAM logins for Multi-AZ DB clusters, which RDS has learnt to offer.
"""

from collections.abc import Callable
from typing import Any

from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBCluster, DBInstanceClustered, RDSBackend

from localcloud.base.corrections import fix
from localcloud.postgresql import versions as postgresql_versions
from localcloud.postgresql.distributions import VersionNotAvailable
from localcloud.rds import database_servers

ENGINES = (database_servers.POSTGRESQL, "aurora-postgresql")


class AsInstance:
    """A cluster as the servers' module takes a DB instance."""

    engine = database_servers.POSTGRESQL

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.dbi_resource_id = str(cluster.db_cluster_resource_id)
        self.db_instance_identifier = str(cluster.db_cluster_identifier)
        self.db_name = cluster.database_name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    @property
    def status(self) -> str:
        return str(self._cluster.status)

    @status.setter
    def status(self, value: str) -> None:
        self._cluster.dbrestore_is_creating = value == "creating"
        self._cluster.status = value

    @property
    def port(self) -> int:
        return int(self._cluster.port)

    @port.setter
    def port(self, value: int) -> None:
        self._cluster.port = value


def install() -> None:
    """Fix moto's clusters."""
    fix(DBCluster, "status", _status)
    fix(DBCluster, "endpoint", _endpoint)
    fix(DBCluster, "reader_endpoint", _endpoint)
    fix(DBInstanceClustered, "endpoint", _member_endpoint)
    fix(RDSBackend, "create_db_cluster", _create)
    fix(RDSBackend, "modify_db_cluster", _modify)
    fix(RDSBackend, "stop_db_cluster", _stop)
    fix(RDSBackend, "start_db_cluster", _start)
    fix(RDSBackend, "delete_db_cluster", _delete)


def version_to_run(asked: str | None, engine: str) -> str:
    """RDS takes a major version for its newest minor one. Fetches the programs, so that an answer without an error is kept."""
    try:
        version = postgresql_versions.resolve(asked)
        postgresql_versions.installation(version)
    except VersionNotAvailable as error:
        raise RDSClientError("InvalidParameterCombination", f"Cannot find version {asked} for {engine}: {error}") from error
    return version


def _status(original: Callable[..., Any], cluster: Any) -> Any:
    # moto ends the creation of a cluster by looking at it.
    return "creating" if vars(cluster).get("dbrestore_is_creating") else original(cluster)


def _endpoint(original: Callable[..., Any], cluster: Any) -> Any:
    return database_servers.HOST if database_servers.server_of(cluster) else original(cluster)


def _member_endpoint(original: Callable[..., Any], member: Any) -> Any:
    return {**original(member), "Port": member.cluster.port} if member.cluster.status != "creating" else None


def _create(original: Callable[..., Any], backend: Any, asked: Any) -> Any:
    is_ours = asked.get("engine") in ENGINES
    if is_ours:
        asked["engine_version"] = version_to_run(asked.get("engine_version"), asked["engine"])
    cluster = original(backend, asked)
    if is_ours:
        database_servers.create(AsInstance(cluster), database_servers.password_of(cluster))
    return cluster


def _modify(original: Callable[..., Any], backend: Any, asked: Any) -> Any:
    [cluster] = backend.describe_db_clusters(asked["db_cluster_identifier"])
    runs, version = str(cluster.engine_version), asked.get("engine_version")
    if cluster.engine in ENGINES and version and version not in (runs, runs.split(".")[0]):
        raise RDSClientError("InvalidParameterCombination", f"Cannot upgrade {cluster.engine} from {runs} to {version}")
    asks_for_password = asked.get("manage_master_user_password") or asked.get("master_user_password")
    changed = original(backend, asked)
    if asks_for_password and (server := database_servers.server_of(cluster)):
        server.set_password(database_servers.password_of(cluster))
    return changed


def _stop(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    cluster = original(backend, *arguments, **keywords)
    if server := database_servers.server_of(cluster):
        server.stop()
    return cluster


def _start(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    cluster = original(backend, *arguments, **keywords)
    if server := database_servers.server_of(cluster):
        server.start()
    return cluster


def _delete(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    cluster = original(backend, *arguments, **keywords)
    database_servers.remove(cluster)
    return cluster
