"""The functions that a query on the simulated server may call. A function that isn't here is not known."""

import sqlite3
from datetime import datetime, timedelta
from typing import Final

from localcloud.sqlserver_databases import COLLATION
from localcloud.sqlserver_instance import Instance
from localcloud.sqlserver_values import loaded, stored
from localcloud.sqlserver_views import name_of, sid_of
from localcloud.tds_engine import Session

_EDITIONS: Final = {"se": "Standard", "ee": "Enterprise", "ex": "Express", "web": "Web"}
_ENGINE_EDITIONS: Final = {"se": 2, "ee": 3, "ex": 4, "web": 2}
_YEARS: Final = {"13": 2016, "14": 2017, "15": 2019, "16": 2022, "17": 2025}
_UNITS: Final = {"second": 1, "ss": 1, "s": 1, "minute": 60, "mi": 60, "n": 60, "hour": 3600, "hh": 3600}

# SQL Server's name and SQLite's, ours or its own.
NAMES: Final = {
    "GETDATE": "getdate", "SYSDATETIME": "getdate", "GETUTCDATE": "getdate", "SYSUTCDATETIME": "getdate", "CURRENT_TIMESTAMP": "getdate",
    "SERVERPROPERTY": "serverproperty", "SUSER_SNAME": "suser_sname", "SUSER_NAME": "suser_sname", "ORIGINAL_LOGIN": "suser_sname",
    "SUSER_SID": "suser_sid", "DB_NAME": "db_name", "DB_ID": "db_id", "DATABASEPROPERTYEX": "databasepropertyex",
    "DATEDIFF": "datediff", "ISNULL": "ifnull", "COALESCE": "coalesce", "NULLIF": "nullif", "LOWER": "lower", "UPPER": "upper",
    "LEN": "length", "COUNT": "count", "COUNT_BIG": "count", "MAX": "max", "MIN": "min", "SUM": "sum", "LEFT": "left_of",
}  # fmt: skip
GLOBALS: Final = {
    "@@VERSION": "version_line",
    "@@SERVERNAME": "server_name",
    "@@SPID": "spid",
    "@@TRANCOUNT": "trancount",
}


def register(connection: sqlite3.Connection, instance: Instance, session: Session) -> None:
    """Make them known to SQLite, for one query."""
    make = connection.create_function
    make("getdate", 0, lambda: stored(instance.clock.now))
    make("serverproperty", 1, lambda name: _properties(instance).get(str(name).lower()))
    make("suser_sname", 0, lambda: session.user)
    make("suser_sname", 1, lambda sid: None if sid is None else name_of(instance, sid))
    make("suser_sid", 1, lambda name: sid_of(instance, name) if instance.login_of(name) else None)
    make("db_name", 0, lambda: session.database)
    make("db_name", 1, lambda number: next((one.name for one in instance.databases if one.database_id == number), None))
    make("db_id", 0, lambda: _id(instance, session.database))
    make("db_id", 1, lambda name: _id(instance, name))
    make("databasepropertyex", 2, lambda name, which: _database_property(instance, name, which))
    make("datediff", 3, _difference)
    make("left_of", 2, lambda given, count: None if given is None else given[:count])
    make("version_line", 0, lambda: _version_line(instance))
    make("server_name", 0, lambda: _SERVER)
    make("spid", 0, lambda: session.settings.get("spid", 51))
    make("trancount", 0, lambda: int(session.in_transaction))


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


def _id(instance: Instance, name: str) -> int | None:
    database = instance.databases.find(name)
    return database.database_id if database else None


def _database_property(instance: Instance, name: str, which: str) -> str | None:
    database = instance.databases.find(name)
    known = {"status": "state", "recovery": "recovery_model"}
    return getattr(database, known[which.lower()]) if database and which.lower() in known else None


def _difference(unit: str, begin: object, end: object) -> int | None:
    """Boundaries crossed, as SQL Server counts: 10:59:59 and 11:00:00 are an hour apart."""
    first, last = loaded(begin), loaded(end)
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return None
    seconds = _UNITS[unit]
    start = datetime(1900, 1, 1, tzinfo=first.tzinfo)
    step = timedelta(seconds=seconds)
    return (last - start) // step - (first - start) // step
