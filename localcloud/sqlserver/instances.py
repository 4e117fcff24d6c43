"""The simulated SQL Server behind a DB instance: its engine, its port, and what the RDS API changes on it.

Invariant: what the API says of the instance is what the server says of itself, and stopping the server loses no database.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from moto.rds.exceptions import RDSClientError
from moto.rds.models import DBInstance

from localcloud.base import certificates
from localcloud.base.clients import Place
from localcloud.rds import option_groups
from localcloud.rds.backup_reader import BackupReader
from localcloud.sqlserver.engine import SqlServerEngine
from localcloud.sqlserver.instance import Edition
from localcloud.tds import server as tds_server
from localcloud.tds.engine import Result, Session, Value

ENGINES = ("sqlserver-ee", "sqlserver-se", "sqlserver-ex", "sqlserver-web")
# SQL Server 2019.
ENGINE_VERSION = "15.00.4430.1.v1"
LICENSE = "license-included"
_GIB = 1024**3


def install() -> None:
    """Let instances of SQL Server be what they are on RDS."""
    option_groups.install()
    DBInstance.default_engine_versions.update(dict.fromkeys(ENGINES, ENGINE_VERSION))


def complete(wish: dict[str, Any]) -> None:
    """What a CreateDBInstance of SQL Server leaves to RDS. Raises RDSClientError for what it must not name."""
    if wish.get("db_name"):
        raise RDSClientError("InvalidParameterValue", f"DBName must be null for engine: {wish['engine']}")
    wish["license_model"] = wish.get("license_model") or LICENSE


class SqlServer:
    """A running server; `engine` is for tests, which make things go wrong through its switches."""

    def __init__(self, instance: Any, password: str, authority: certificates.Authority, host: str) -> None:
        self._instance, self._authority, self._host = instance, authority, host
        self._option = option_groups.state(instance)
        self.engine = SqlServerEngine(
            master_user=instance.master_username,
            master_password=password,
            s3=BackupReader(instance),
            version=instance.engine_version,
            edition=cast(Edition, instance.engine.removeprefix("sqlserver-")),
            region=instance.region,
            backup_restore_option=self._option,
            multi_az=bool(instance.multi_az),
            free_storage=instance.allocated_storage * _GIB,
        )
        self.port = 0
        self.start()

    @property
    def identifier(self) -> str:
        """The DB instance's, which people may change."""
        return str(self._instance.db_instance_identifier)

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self._instance.account_id, self._instance.region)

    def start(self) -> None:
        """Listen, on the port it had if it had one."""
        certificate, key = certificates.issue(self._authority, self._host)
        self._server = tds_server.start(self, certificate=certificate, key=key, port=self.port)
        self.port = self._server.port

    def stop(self) -> None:
        """Let nobody in; databases and tasks stay."""
        self._server.stop()

    def discard(self) -> None:
        """The same: what it holds is in memory."""
        self.stop()

    def set_password(self, password: str) -> None:
        """The master user's."""
        self.engine.set_master_password(password)

    def free_bytes(self) -> int:
        """Allocated storage less the files of the databases, as big as they were on their own server."""
        return self.engine.instance.free_bytes

    def change(self, asked: Mapping[str, Any]) -> None:
        """What a ModifyDBInstance asked for and got."""
        if asked.get("multi_az") is not None:
            self.engine.instance.multi_az = bool(asked["multi_az"])
        if asked.get("allocated_storage"):
            self.engine.instance.free_storage = asked["allocated_storage"] * _GIB

    def login(self, user: str, password: str, database: str) -> Session:
        """As the engine does."""
        return self.engine.login(user, password, database)

    def execute(self, session: Session, text: str, parameters: Mapping[str, Value]) -> Sequence[Result]:
        """As the engine does, which first learns whether the API has changed its backup option."""
        if (option := option_groups.state(self._instance)) != self._option:
            self.engine.instance.backup_restore_option = self._option = option
        return self.engine.execute(session, text, parameters)

    def end_transaction(self, session: Session, *, is_committed: bool) -> None:
        """As the engine does."""
        self.engine.end_transaction(session, is_committed=is_committed)
