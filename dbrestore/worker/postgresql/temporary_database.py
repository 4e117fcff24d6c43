"""The temporary database and the temporary login that fills it: made here, and unmade below.

Invariants: until its promotion nobody but the master user and the temporary login may connect; the login owns what it creates in this
database, and not the database; it has no rights outside and expires by itself. Making is idempotent: what an earlier attempt left under the
same names is dropped first, unless its journal says how to carry on.
"""

import secrets
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import Absence, DatabaseJob
from dbrestore.worker.base import limits
from dbrestore.worker.base.secrets import Login
from dbrestore.worker.postgresql import template, termination
from dbrestore.worker.postgresql.database_locale import DatabaseLocale
from dbrestore.worker.postgresql.resuming import journal as journals
from dbrestore.worker.postgresql.resuming.journal import Journal
from dbrestore.worker.postgresql.rights import lending, membership, powerless_roles
from dbrestore.worker.postgresql.session import Connection, Server

# What PostgreSQL 13 to 18 answer to an encoding, locale or provider that they don't have: invalid_parameter_value, undefined_object,
# wrong_object_type, feature_not_supported (built without ICU), invalid_object_definition (provider), syntax_error (option unknown then).
_NOT_HELD = ("22023", "42704", "42809", "0A000", "42P17", "42601")


def taken_over(server: Server, database: DatabaseJob, stamp: str, most_lines: int) -> tuple[Login, Journal] | None:
    """The login with another password and the journal, if an earlier attempt left a database from which this one can carry on.

    An index that is being built is waited for, within bounds. Raises ReplayFailed if a session of the earlier attempt can't be ended: it
    might still commit."""
    with server.connect_master() as master:
        if not exists(master, database.temporary_name):
            return None
        login = renew_login(master, database)
        termination.let_finish_building(master, login.user, server.bounds.building_seconds)
        termination.end_sessions_in(master, database.temporary_name)
        termination.end_sessions_of(master, login.user)
        if _exists(master, "SELECT FROM pg_stat_activity WHERE usename = %s", login.user):
            raise ReplayFailed(f"{database.backup_name}: a session of an earlier attempt of this restore could not be ended")
    with server.connect_master(database.temporary_name) as inside:
        journal = journals.read(inside, journals.schema_of(database.temporary_name), stamp, most_lines)
    return (login, journal) if journal else None


def create(server: Server, database: DatabaseJob, locale: DatabaseLocale) -> Login:
    """Make the login and the empty database.

    Returns the login. Raises ReplayFailed if the server can't hold the encoding or the locale, and psycopg.Error for other refusals."""
    with server.connect_master() as master:
        drop(server, master, database)
        powerless_roles.drop_orphans(master)
        login = renew_login(master, database)
        _create(master, database, locale, template.of(server, master, locale))
        _let_in(master, database)
    with server.connect_master(database.temporary_name) as inside:
        _let_create_in_public(inside, login)
    return login


def renew_login(master: Connection, database: DatabaseJob) -> Login:
    """The temporary login with a new password, made if it isn't there. The server gets a SCRAM verifier, so no log has the password."""
    login = Login(database.login_role, secrets.token_urlsafe(24))
    role = sql.Identifier(login.user)
    if not role_exists(master, login.user):
        master.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION").format(role))
    verifier = master.pgconn.encrypt_password(login.password.encode(), login.user.encode(), b"scram-sha-256").decode()
    until = (datetime.now(UTC) + timedelta(days=limits.LOGIN_VALID_DAYS)).isoformat()
    master.execute(
        sql.SQL("ALTER ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {} VALID UNTIL {}").format(
            role, sql.Literal(limits.LOGIN_CONNECTIONS), sql.Literal(verifier), sql.Literal(until)
        )
    )
    membership.become_member(master, login.user)
    return login


def shut_out(master: Connection, database: DatabaseJob) -> None:
    """No session of the temporary login is left and none can begin: nothing of the dump is doing anything."""
    if role_exists(master, database.login_role):
        master.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(database.login_role)))
        termination.end_sessions_of(master, database.login_role)
    termination.end_sessions_in(master, database.temporary_name)


def exists(master: Connection, name: str) -> bool:
    """Whether the server has a database of this name."""
    return _exists(master, "SELECT FROM pg_database WHERE datname = %s", name)


def drop(server: Server, master: Connection, database: DatabaseJob) -> None:
    """Drop the temporary database with its sessions, then the roles. Absence is success; nothing under another name is touched."""
    name = database.temporary_name
    if exists(master, name):
        if role_exists(master, database.login_role):
            # An attempt may have died before it was given the right to drop.
            _roll_back_prepared(server, renew_login(master, database), master, name)
        termination.end_sessions_in(master, name)
        master.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
        master.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
    drop_login(master, database.login_role)
    powerless_roles.drop_unused(master, database)


def drop_login(master: Connection, role: str) -> None:
    """Drop the temporary login; the memberships in it go with it. It must own nothing any more."""
    if role_exists(master, role):
        termination.end_sessions_of(master, role)
        lending.take_back(master, role)
        master.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def role_exists(master: Connection, role: str) -> bool:
    """Whether the server has a role of this name."""
    return _exists(master, "SELECT FROM pg_roles WHERE rolname = %s", role)


def absences(master: Connection, database: DatabaseJob) -> tuple[Absence, ...]:
    """Look whether the database and its roles are really gone. The holder is not among them if it stays with a promoted database."""
    name, login, holder = database.temporary_name, database.login_role, database.holder_role
    looked_for = (
        Absence(kind="database", name=name, seen_absent=not exists(master, name)),
        Absence(kind="role", name=login, seen_absent=not role_exists(master, login)),
    )
    return looked_for if role_exists(master, holder) else (*looked_for, Absence(kind="role", name=holder, seen_absent=True))


def _create(master: Connection, database: DatabaseJob, locale: DatabaseLocale, made_of: str) -> None:
    """The master user owns it: its owner could change its settings, and make it a template that can't be dropped."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(database.temporary_name), sql.Identifier(made_of))
    for option, value in locale.options.items():
        statement += sql.SQL(" {} {}").format(sql.SQL(option.upper()), sql.Literal(value))
    try:
        master.execute(statement)
    except psycopg.errors.ObjectInUse:
        _create(master, database, locale, template.PRISTINE)
    except psycopg.Error as error:
        if error.sqlstate not in _NOT_HELD:
            raise
        asked = ", ".join(f"{option.replace('_', ' ')} {value}" for option, value in locale.options.items())
        raise ReplayFailed(
            f"{database.backup_name}: the target can't hold a database with {asked}: {_first_line(error)}; choose ones that it has "
            "with `encoding` and `locale` of the request"
        ) from error


def _let_in(master: Connection, database: DatabaseJob) -> None:
    """The temporary login and nobody else. It can't pass that on, nor change anything of the database itself."""
    names = {"database": sql.Identifier(database.temporary_name), "login": sql.Identifier(database.login_role)}
    with master.transaction():
        master.execute(sql.SQL("REVOKE ALL ON DATABASE {database} FROM PUBLIC").format(**names))
        master.execute(sql.SQL("GRANT CONNECT, TEMPORARY, CREATE ON DATABASE {database} TO {login}").format(**names))


def _let_create_in_public(inside: Connection, login: Login) -> None:
    """Before PostgreSQL 15 everybody may, and the schema isn't the database owner's to give."""
    row = inside.execute("SELECT has_schema_privilege(%s, 'public', 'CREATE')", [login.user]).fetchone()
    if row is not None and not row[0]:
        inside.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(login.user)))


def _roll_back_prepared(server: Server, login: Login, master: Connection, database: str) -> None:
    """A prepared transaction outlives its session and keeps the database from being dropped; only who prepared it can end it."""
    prepared = master.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", [database]).fetchall()
    if not prepared:
        return
    with server.connect(login, database) as owner:
        for (gid,) in prepared:
            owner.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))


def _exists(connection: Connection, query: str, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
