"""The temporary database and the temporary login that owns it: made here, and unmade below.

Invariants: until its promotion nobody but the master user and the temporary login may connect; the login has no rights outside
this database and expires by itself. Making is idempotent: what an earlier attempt left under the same names is dropped first.
"""

import secrets
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from repository.errors import ReplayFailed
from repository.manifest import DatabaseBackup
from worker import lending, limits, termination
from worker.job import Absence, DatabaseJob
from worker.session import Connection, Login, Server

# What PostgreSQL 13 to 18 answer to an encoding, locale or provider that they don't have: invalid_parameter_value, undefined_object,
# wrong_object_type, feature_not_supported (built without ICU), invalid_object_definition (provider), syntax_error (option unknown then).
_NOT_HELD = ("22023", "42704", "42809", "0A000", "42P17", "42601")

# Providers whose locale has a name of its own in CREATE DATABASE.
_PROVIDER_LOCALE = {"icu": "icu_locale", "builtin": "builtin_locale"}


def create(server: Server, database: DatabaseJob, backup: DatabaseBackup) -> Login:
    """Make the login and the empty database with the encoding and locale of the dump.

    Returns the login. Raises ReplayFailed if the server can't hold the encoding or the locale, and psycopg.Error for other refusals."""
    with server.connect_master() as master:
        drop(master, database)
        login = renew_login(master, database)
        statement = _create_database(database, backup)
        try:
            master.execute(statement)
        except psycopg.Error as error:
            if error.sqlstate not in _NOT_HELD:
                raise
            raise ReplayFailed(
                f"{backup.name}: the target can't hold a database with encoding {backup.encoding}, locale {backup.collate}/{backup.ctype} "
                f"({backup.locale_provider}): {_first_line(error)}"
            ) from error
        name = sql.Identifier(database.temporary_name)
        master.execute(sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(name))
    return login


def renew_login(master: Connection, database: DatabaseJob) -> Login:
    """The temporary login with a new password, made if it isn't there. The server gets a SCRAM verifier, so no log has the password."""
    login = Login(database.login_role, secrets.token_urlsafe(24))
    role = sql.Identifier(login.user)
    if not _exists(master, "SELECT FROM pg_roles WHERE rolname = %s", login.user):
        master.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION").format(role))
    verifier = master.pgconn.encrypt_password(login.password.encode(), login.user.encode(), b"scram-sha-256").decode()
    until = (datetime.now(UTC) + timedelta(days=limits.LOGIN_VALID_DAYS)).isoformat()
    master.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} VALID UNTIL {}").format(
            role, sql.Literal(verifier), sql.Literal(until)
        )
    )
    # Since PostgreSQL 16 the creator of a role administers it but may not act as it unless told so.
    options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if master.info.server_version >= 160000 else "")
    master.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role) + options)
    return login


def exists(master: Connection, name: str) -> bool:
    """Whether the server has a database of this name."""
    return _exists(master, "SELECT FROM pg_database WHERE datname = %s", name)


def drop(master: Connection, database: DatabaseJob) -> None:
    """Drop the temporary database with its sessions, then the login. Absence is success; nothing under another name is touched."""
    if exists(master, database.temporary_name):
        if role_exists(master, database.login_role):
            renew_login(master, database)  # an attempt may have died before it was given the right to drop
        termination.end_sessions_in(master, database.temporary_name)
        master.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(database.temporary_name)))
    drop_login(master, database.login_role)


def drop_login(master: Connection, role: str) -> None:
    """Drop the temporary login; the memberships in it go with it. It must own nothing any more."""
    if role_exists(master, role):
        termination.end_sessions_of(master, role)
        lending.take_back(master, role)
        master.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def role_exists(master: Connection, role: str) -> bool:
    """Whether the server has a role of this name."""
    return _exists(master, "SELECT FROM pg_roles WHERE rolname = %s", role)


def absences(master: Connection, database: DatabaseJob) -> tuple[Absence, Absence]:
    """Look whether both are really gone."""
    return (
        Absence(kind="database", name=database.temporary_name, seen_absent=not exists(master, database.temporary_name)),
        Absence(kind="role", name=database.login_role, seen_absent=not role_exists(master, database.login_role)),
    )


def _create_database(database: DatabaseJob, backup: DatabaseBackup) -> sql.Composed:
    options = {"encoding": backup.encoding, "lc_collate": backup.collate, "lc_ctype": backup.ctype}
    statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(
        sql.Identifier(database.temporary_name), sql.Identifier(database.login_role)
    )
    if backup.locale_provider != "libc":
        if backup.locale_provider not in _PROVIDER_LOCALE:
            raise ReplayFailed(f"{backup.name}: the locale provider {backup.locale_provider} is unknown")
        options["locale_provider"] = backup.locale_provider
        options[_PROVIDER_LOCALE[backup.locale_provider]] = backup.provider_locale
    for option, value in options.items():
        if value:
            statement += sql.SQL(" {} {}").format(sql.SQL(option.upper()), sql.Literal(value))
    return statement


def _exists(connection: Connection, query: str, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
