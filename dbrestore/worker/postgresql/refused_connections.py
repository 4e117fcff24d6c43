"""What it means that PostgreSQL, or what lies before it, made no connection.

libpq has no SQLSTATE for what ends a connection before it stands, so the words count: libpq's and psycopg's own are English here (the
worker runs in the locale C), and so are the server's on RDS unless `lc_messages` was changed. Words that aren't known wait for nothing.
"""

import re
from typing import Final

import psycopg

from dbrestore.contract.errors import RestoreError, TargetNotUsable
from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.sqlserver_errors import CertificateRefused, LoginRefused
from dbrestore.worker.base import limits
from dbrestore.worker.base.obstacles import CLOSED, CUT_OFF, FULL, NAME_UNKNOWN, RECOVERING, SILENT, Obstacle

# RDS checks IAM's tokens through PAM.
LOGIN_REFUSED: Final = re.compile("(?:password|PAM) authentication failed")

# By PostgreSQL's src/backend/tcop/backend_startup.c (before 18: postmaster.c), utils/init/postinit.c and storage/lmgr/proc.c.
_OBSTACLES: Final = (
    (re.compile("the database system is (?:starting up|in recovery mode|shutting down|not (?:yet )?accepting connections)"), RECOVERING),
    (re.compile("too many clients already|remaining connection slots are reserved|too many connections for"), FULL),
    (re.compile("failed to resolve host|could not translate host name"), NAME_UNKNOWN),
    (re.compile("Connection refused"), CLOSED),
    (re.compile("timeout expired|timed out|No route to host|Network is unreachable"), SILENT),
    (re.compile("closed the connection unexpectedly|Connection reset by peer|terminating connection"), CUT_OFF),
)
# Of a session that ended right after the login: admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections.
_STATES: Final = {"57P01": CUT_OFF, "57P02": RECOVERING, "57P03": RECOVERING, "53300": FULL}

_CERTIFICATE: Final = re.compile("certificate verify failed|does not match host name|server does not support SSL")
_NOT_LET_IN: Final = re.compile("no pg_hba.conf entry|pg_hba.conf rejects connection|is not permitted to log in")
_NO_MAINTENANCE_DATABASE: Final = f'database "{limits.MAINTENANCE_DATABASE}" does not exist'


def obstacle_of(error: Exception) -> tuple[Obstacle, str] | None:
    """What may pass by itself, and the server's words for it."""
    if not isinstance(error, psycopg.OperationalError):
        return None
    words = _words(error)
    found = _STATES.get(error.sqlstate or "") or next((obstacle for pattern, obstacle in _OBSTACLES if pattern.search(words)), None)
    return (found, words) if found else None


def final_refusal(error: psycopg.OperationalError, server: DatabaseServer, told: str) -> RestoreError | None:
    """What waiting doesn't change, by its name; None if it has none. `told`: what was logged in with."""
    words, where = _words(error), f"{server.host}:{server.port}"
    if _CERTIFICATE.search(words):
        return CertificateRefused(
            f"{where}: {words}: no CA in {server.ca_bundle} vouches for this server under this name; renew the bundle if RDS has a newer "
            "CA, and find out who answers there if not"
        )
    if _NOT_LET_IN.search(words):
        return LoginRefused(
            f"{where}: {told} was not looked at: the server lets this user in from no address ({words}): give the user LOGIN, let it be "
            "no member of rds_iam unless it logs in by IAM, and restore again"
        )
    if _NO_MAINTENANCE_DATABASE in words:
        return TargetNotUsable(
            f"{where}: the database {limits.MAINTENANCE_DATABASE}, from which others are made, does not exist: CREATE DATABASE "
            f"{limits.MAINTENANCE_DATABASE}, and restore again"
        )
    return None


def _words(error: psycopg.OperationalError) -> str:
    """One line, without libpq's questions."""
    return str(error).split("\n\t")[0].strip().removeprefix("connection failed: ").replace("\n", " ")[: limits.MESSAGE_LENGTH]
