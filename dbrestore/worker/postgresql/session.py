"""Logins and connections to the target server.

Invariants: TLS is verified, host name included. Names are resolved in pg_catalog alone, whatever the database or the role says,
so nothing a dump defines can stand in for a function that the worker means. Passwords appear in no argument, log or message.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.sqlserver_errors import LoginRefused
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.obstacles import Patience
from dbrestore.worker.base.secrets import Credentials, Login
from dbrestore.worker.postgresql import refused_connections
from dbrestore.worker.postgresql.refused_connections import LOGIN_REFUSED

Connection = psycopg.Connection[tuple[Any, ...]]

# admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, and the connection exceptions.
_ENDED = ("57P01", "57P02", "57P03", "57P04", "08000", "08003", "08006", "08P01")

# deadlock_detected, lock_not_available, serialization_failure.
_TRANSIENT = ("40P01", "55P03", "40001")
# Classes of SQLSTATE that say more about the server's moment than about the statement: connection, resources, operator, system.
_CONDITIONS = ("08", "53", "57", "58")

# How psycopg begins when a connection could not even be made.
_NEVER_BEGAN = ("connection failed", "connection timeout", "failed to resolve", "connection is bad")
# Classes of SQLSTATE whose messages quote values: cardinality, data, constraints, conflicts, checks of views, code's own, internal.
_ABOUT_ROWS = ("21", "22", "23", "40", "44", "P0", "XX")
_ABOUT_A_SETTING = "22023"
# What a COPY was at: table, line and column, without the row.
_COPY_LINE = re.compile(r"COPY [^:\n]{1,200}, line \d+(?:, column [^:\n]{1,100})?")

# Whatever changes what a value or a statement means, so that neither the instance's parameter group nor the database nor the role decides.
# Row security off means an error instead of silently fewer rows. All are known to every server from 13 on.
_SETTINGS = {
    "search_path": "",
    "role": "none",
    "row_security": "off",
    "jit": "off",
    "client_min_messages": "warning",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "default_tablespace": "",
    "temp_tablespaces": "",
    "default_table_access_method": "heap",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "xmloption": "content",
    "xmlbinary": "base64",
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "3",
    "gin_fuzzy_search_limit": "0",
}
# Those that only newer servers (or newer minor releases) know are set after the login.
_NEWER_SETTINGS = {
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "createrole_self_grant": "",
    "icu_validation_level": "warning",
    "restrict_nonsystem_relation_kind": "",
}


@dataclass
class Server:
    """The target server: opens connections as the user that restores or as another role. `note_login` is called once, before anything is
    done in the first session."""

    address: DatabaseServer
    ca_file: Path
    credentials: Credentials
    note_login: Callable[[], None] = lambda: None
    _has_logged_in: bool = False
    _patience: Patience = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._patience = Patience(self.address, self.bounds)

    @property
    def bounds(self) -> Bounds:
        """Of all that is done with this server."""
        return self.credentials.bounds

    @property
    def master_user(self) -> str:
        """The name of the user that restores: the master user, or the one whose credentials were asked for."""
        return self.credentials.login().user

    def connect_master(self, database: str = limits.MAINTENANCE_DATABASE, *, patiently: bool = True) -> Connection:
        """Log in as that user, as soon as the server can be reached if `patiently`. A refusal may mean that the password is being rotated:
        then it is read again.

        Raises CredentialsNotUsable, ServerUnreachable, CertificateRefused, LoginRefused if the server does not take the user or the
        password, TargetNotUsable, and psycopg.OperationalError for what has no such name."""
        connection = self._waiting(lambda: self._logged_in(database)) if patiently else self._logged_in(database)
        if not self._has_logged_in:
            self.note_login()
            self._has_logged_in = True
        return connection

    def connect(self, login: Login, database: str, **settings: str) -> Connection:
        """Log in as any role, in autocommit, as soon as the server can be reached; `settings` are sent with the login and so prevail over
        the database's own.

        Texts are UTF-8. In a database in SQL_ASCII each byte is one character, both ways."""
        return self._waiting(lambda: self._opened(login, database, **settings))

    def _waiting(self, attempt: Callable[[], Connection]) -> Connection:
        try:
            return self._patience.until_connected(attempt, refused_connections.obstacle_of)
        except psycopg.OperationalError as error:
            if refusal := refused_connections.final_refusal(error, self.address, self.credentials.told):
                raise refusal from error
            raise

    def _logged_in(self, database: str) -> Connection:
        refused: psycopg.OperationalError | None = None
        for login in self.credentials.attempts():
            try:
                return self._opened(login, database)
            except psycopg.OperationalError as error:
                if not LOGIN_REFUSED.search(str(error)):
                    raise
                refused = error
        raise self._refusal(refused) from refused

    def _refusal(self, error: psycopg.OperationalError | None) -> LoginRefused:
        credentials, words = self.credentials, LOGIN_REFUSED.search(str(error))
        return LoginRefused(
            f"{self.address.host}: {credentials.told} was refused ({words[0] if words else error} for {self.master_user!r}): "
            f"{credentials.advice}, and restore again"
        )

    def _opened(self, login: Login, database: str, **settings: str) -> Connection:
        connection = psycopg.connect(
            self._conninfo(login.user, database),
            password=login.password,
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=math.ceil(self.bounds.connect_timeout_seconds),
            options=_options({**_SETTINGS, **settings}),
            client_encoding="UTF8",
        )
        try:
            _settle(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _conninfo(self, user: str, database: str) -> str:
        return make_conninfo(
            host=self.address.host,
            port=self.address.port,
            user=user,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.ca_file),
            gssencmode="disable",
            application_name="dbrestore",
            keepalives_idle=limits.KEEPALIVE_IDLE_SECONDS,
            keepalives_interval=limits.KEEPALIVE_INTERVAL_SECONDS,
            keepalives_count=limits.KEEPALIVE_COUNT,
        )


def _options(settings: dict[str, str]) -> str:
    # In `options` a backslash protects a blank; an empty value is written as nothing.
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())


def _settle(connection: Connection) -> None:
    connection.execute(
        "SELECT set_config(wanted.name, wanted.value, false) FROM unnest(%s::text[], %s::text[]) AS wanted (name, value) "
        "JOIN pg_settings AS known ON known.name = wanted.name",
        [list(_NEWER_SETTINGS), list(_NEWER_SETTINGS.values())],
    )
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        connection.execute("SET client_encoding = LATIN1")


def explained(error: psycopg.Error) -> str:
    """The server's words without what they quote of rows, with the cause before them if what ended is the connection and not the statement.
    They reach logs, events and the console. Code of a dump can make them as long as it likes, and say what it likes."""
    words = _without_rows(error)[: limits.MESSAGE_LENGTH].strip()
    return f"the connection to the instance was lost: {words}" if is_lost(error) else words


def _without_rows(error: psycopg.Error) -> str:
    """The message and where it happened. CONTEXT and the excerpt of the statement quote rows, except for the line of a COPY; about
    values and constraints so do DETAIL and what stands after a colon."""
    said, diag = error.diag.message_primary, error.diag
    if said is None:
        return str(error)
    about_rows = error.sqlstate is not None and error.sqlstate[:2] in _ABOUT_ROWS and error.sqlstate != _ABOUT_A_SETTING
    if about_rows:
        said = said.partition(': "')[0]
    copied = _COPY_LINE.match(diag.context or "")
    detail = f"\nDETAIL:  {diag.message_detail}" if diag.message_detail and not about_rows else ""
    return f"{said} ({copied.group(0)}){detail}" if copied else said + detail


def is_lost(error: BaseException) -> bool:
    """Whether the connection ended, and not the statement: the same again may succeed on another."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(cause, psycopg.Error):
        return False
    # What libpq and psycopg say themselves has no SQLSTATE.
    is_ours = cause.sqlstate is None and isinstance(cause, psycopg.OperationalError)
    return (is_ours and not str(cause).startswith(_NEVER_BEGAN)) or cause.sqlstate in _ENDED


def is_transient(error: BaseException) -> bool:
    """Whether the same again may succeed: a deadlock, a lock that could not be had, a serialization failure."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    return isinstance(cause, psycopg.Error) and cause.sqlstate in _TRANSIENT


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the server judged the statement itself, and would judge it so again; not for want of space, memory or a connection."""
    return error.sqlstate is not None and error.sqlstate not in _TRANSIENT and error.sqlstate[:2] not in _CONDITIONS
