"""The functions that a query on the simulated server may call. A function that isn't here is not known."""

import sqlite3
from collections.abc import Callable
from typing import Final

from localcloud.sqlserver.databases import COLLATION
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.views import name_of, sid_of
from localcloud.tds.engine import SqlError
from localcloud.tsql.frame import Frame
from localcloud.tsql.scalars import SCALARS
from localcloud.tsql.values import Stored, stored

_EDITIONS: Final = {"se": "Standard", "ee": "Enterprise", "ex": "Express", "web": "Web"}
_ENGINE_EDITIONS: Final = {"se": 2, "ee": 3, "ex": 4, "web": 2}
_YEARS: Final = {"13": 2016, "14": 2017, "15": 2019, "16": 2022, "17": 2025}
# SQL Server's name and SQLite's, ours or its own.
NAMES: Final = {
    "GETDATE": "getdate",
    "SYSDATETIME": "getdate",
    "GETUTCDATE": "getdate",
    "SYSUTCDATETIME": "getdate",
    "CURRENT_TIMESTAMP": "getdate",
    "SERVERPROPERTY": "serverproperty",
    "SUSER_SNAME": "suser_sname",
    "SUSER_NAME": "suser_sname",
    "ORIGINAL_LOGIN": "suser_sname",
    "SUSER_SID": "suser_sid",
    "DB_NAME": "db_name",
    "DB_ID": "db_id",
    "DATABASEPROPERTYEX": "databasepropertyex",
    "DATEDIFF": "datediff",
    "DATEADD": "dateadd",
    "DATEPART": "datepart",
    "FORMAT": "format",
    "ISNULL": "ifnull",
    "COALESCE": "coalesce",
    "NULLIF": "nullif",
    "IIF": "iif",
    "LOWER": "lower",
    "UPPER": "upper",
    "LTRIM": "ltrim",
    "RTRIM": "rtrim",
    "TRIM": "trim",
    "LEN": "len",
    "LEFT": "left_of",
    "RIGHT": "right_of",
    "SUBSTRING": "substring",
    "REPLACE": "replaced",
    "CHARINDEX": "charindex",
    "CONCAT": "concat",
    "QUOTENAME": "quotename",
    "ABS": "abs",
    "COUNT": "count",
    "COUNT_BIG": "count",
    "MAX": "max",
    "MIN": "min",
    "SUM": "sum",
    "OBJECT_ID": "object_id",
    "ERROR_MESSAGE": "error_message",
    "ERROR_NUMBER": "error_number",
    "ERROR_SEVERITY": "error_severity",
    "ERROR_STATE": "error_state",
}
# Their first argument is a bare word.
WITH_UNITS: Final = frozenset({"DATEDIFF", "DATEADD", "DATEPART"})
GLOBALS: Final = {
    "@@VERSION": "version_line",
    "@@SERVERNAME": "server_name",
    "@@SPID": "spid",
    "@@TRANCOUNT": "trancount",
    "@@ROWCOUNT": "row_count",
    "@@ERROR": "last_error",
}


class Functions:
    """Those of one query. `raised` is what one of them raised: SQLite tells only that one did."""

    def __init__(self, instance: Instance, frame: Frame) -> None:
        self._instance, self._frame = instance, frame
        self.raised: SqlError | None = None

    def register(self, connection: sqlite3.Connection) -> None:
        """Make them known to SQLite."""
        own = {**SCALARS, **self._of_the_server(), **self._of_the_batch()}
        for name, (function, counts) in own.items():
            for count in counts:
                connection.create_function(name, count, self._heard(function))

    def _heard(self, function: Callable[..., Stored]) -> Callable[..., Stored]:
        def call(*arguments: Stored) -> Stored:
            try:
                return function(*arguments)
            except SqlError as error:
                self.raised = error
                raise

        return call

    def _of_the_server(self) -> dict[str, tuple[Callable[..., Stored], tuple[int, ...]]]:
        instance, session = self._instance, self._frame.session
        return {
            "getdate": (lambda: stored(instance.clock.now), (0,)),
            "serverproperty": (lambda name: _properties(instance).get(str(name).lower()), (1,)),
            "suser_sname": (
                lambda *sid: session.user if not sid else None if sid[0] is None else name_of(instance, sid[0]),
                (0, 1),
            ),
            "suser_sid": (lambda name: sid_of(instance, name) if instance.login_of(name) else None, (1,)),
            "db_name": (lambda *number: _name(instance, number[0]) if number else session.database, (0, 1)),
            "db_id": (lambda *name: _id(instance, name[0] if name else session.database), (0, 1)),
            "databasepropertyex": (lambda name, which: _database_property(instance, name, which), (2,)),
            "version_line": (lambda: _version_line(instance), (0,)),
            "server_name": (lambda: _SERVER, (0,)),
        }

    def _of_the_batch(self) -> dict[str, tuple[Callable[..., Stored], tuple[int, ...]]]:
        frame = self._frame
        caught = frame.caught
        return {
            "spid": (lambda: frame.session.settings.get("spid", 51), (0,)),
            "trancount": (lambda: int(frame.session.in_transaction), (0,)),
            "row_count": (lambda: frame.row_count, (0,)),
            "last_error": (lambda: frame.last_error, (0,)),
            "object_id": (lambda name, *_: _temporary_id(frame, name), (1, 2)),
            "error_message": (lambda: str(caught) if caught else None, (0,)),
            "error_number": (lambda: caught.number if caught else None, (0,)),
            "error_severity": (lambda: caught.severity if caught else None, (0,)),
            "error_state": (lambda: caught.state if caught else None, (0,)),
        }


_SERVER: Final = "EC2AMAZ-SIMULATED"


def _properties(instance: Instance) -> dict[str, str | int]:
    version = instance.product_version
    return {
        "productversion": version,
        "productmajorversion": version.split(".")[0],
        "productlevel": "RTM",
        "edition": f"{_EDITIONS[instance.edition]} Edition (64-bit)",
        "engineedition": _ENGINE_EDITIONS[instance.edition],
        "collation": COLLATION,
        "servername": _SERVER,
        "machinename": _SERVER,
        "isclustered": 0,
        "ishadrenabled": int(instance.multi_az),
    }


def _version_line(instance: Instance) -> str:
    version = instance.product_version
    year = _YEARS.get(version.split(".")[0], "")
    return f"Microsoft SQL Server {year} - {version} (X64) {_EDITIONS[instance.edition]} Edition (64-bit), simulated"


def _temporary_id(frame: Frame, name: str | None) -> int | None:
    """Of temporary tables (`tempdb..#t`) only: other tables the simulated server has none."""
    last = (name or "").replace("[", "").replace("]", "").rsplit(".", 1)[-1].lower()
    known = list(frame.temporary)
    return -1 - known.index(last) if last in known else None


def _name(instance: Instance, number: Stored) -> str | None:
    return next((one.name for one in instance.databases if one.database_id == number), None)


def _id(instance: Instance, name: str | None) -> int | None:
    if name is None:
        return None
    database = instance.databases.find(name)
    return database.database_id if database else None


def _database_property(instance: Instance, name: str | None, which: str) -> str | None:
    database = instance.databases.find(name or "")
    known = {"status": "state", "recovery": "recovery_model", "useraccess": "user_access"}
    return getattr(database, known[which.lower()]) if database and which.lower() in known else None
