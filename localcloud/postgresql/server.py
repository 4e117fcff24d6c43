"""A real PostgreSQL server that stands behind an RDS endpoint of the local cloud.

Like RDS it has a master user who is no superuser (CREATEDB, CREATEROLE, member of `rds_superuser`), a superuser `rdsadmin` of its own,
TLS with a certificate for its host, and databases `postgres` and `rdsadmin`.
"""

import os
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from localcloud.postgresql import versions as postgresql_versions

# initdb and postgres refuse to run as root; nobody exists on every Debian.
UNPRIVILEGED = 65534


@dataclass(frozen=True)
class Server:
    """A running server: `directory` holds data, socket and log; `port` listens on 127.0.0.1 only; `version` is what it runs."""

    directory: Path
    port: int
    binaries: Path
    version: str = postgresql_versions.DEFAULT

    def superuser_dsn(self, database: str = "postgres") -> str:
        """Log in as rdsadmin through the socket: for the local cloud and for tests, never for the product."""
        return psycopg.conninfo.make_conninfo(host=str(self.directory), port=self.port, user="rdsadmin", dbname=database)


def binaries(directory: Path, version: str = postgresql_versions.DEFAULT) -> Path:
    """The folder of that version's programs, readable by the unprivileged user (copied if the version is kept in a private folder).

    Raises postgresql_versions.VersionNotAvailable.
    """
    source = postgresql_versions.installation(version)
    if os.getuid() != 0 or _readable_by_others(source):
        return source / "bin"
    copy = directory / source.name
    if not copy.exists():
        draft = directory / f".{uuid.uuid4().hex[:8]}"
        shutil.copytree(source, draft, symlinks=True)
        # Another server may have been quicker; a folder that is not empty is never replaced.
        with suppress(OSError):
            draft.rename(copy)
        shutil.rmtree(draft, ignore_errors=True)
    return copy / "bin"


def _readable_by_others(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (path, *path.parents))


def free_port() -> int:
    """A TCP port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_INITDB = (
    "-U",
    "rdsadmin",
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "-E",
    "UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
)


def start(
    directory: Path,
    *,
    certificate: Path,
    key: Path,
    settings: dict[str, str] | None = None,
    version: str = postgresql_versions.DEFAULT,
) -> Server:
    """Initialise the data directory if it is new and start the server. Idempotent over restarts of the local cloud.

    `version` is one of `postgresql_versions.SERVERS`; raises postgresql_versions.VersionNotAvailable.
    """
    directory.mkdir(parents=True, exist_ok=True)
    programs = binaries(directory.parent, version)
    data = directory / "data"
    _hand_over(directory)
    if not (data / "PG_VERSION").exists():
        _run(programs / "initdb", "-D", data, *_INITDB)
        _install_certificate(data, certificate, key)
    port = free_port()
    options = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(directory),
        "ssl": "on",
        "ssl_cert_file": "server.crt",
        "ssl_key_file": "server.key",
        "shared_buffers": "128MB",
        "max_connections": "60",
        "shared_preload_libraries": "pg_stat_statements",
        **(settings or {}),
    }
    arguments = " ".join(f"-c {name}='{value}'" for name, value in options.items())
    _run(programs / "pg_ctl", "-D", data, "-l", directory / "log", "-w", "-o", arguments, "start")
    return Server(directory, port, programs, version)


def stop(server: Server) -> None:
    """Stop the server at once; absence is success."""
    pid_file = server.directory / "data" / "postmaster.pid"
    if pid_file.exists():
        _run(server.binaries / "pg_ctl", "-D", server.directory / "data", "-m", "immediate", "-w", "stop", check=False)


def kill(server: Server) -> None:
    """Pull the plug, as an Availability Zone does."""
    os.kill(int((server.directory / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


def create_master(server: Server, user: str, password: str) -> None:
    """The master user as RDS makes it: no superuser, but CREATEDB, CREATEROLE and the roles that rds_superuser carries. It may give
    `rds_iam`, which it must not have itself: whoever has it logs in with tokens of IAM and no password."""
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE rds_superuser NOLOGIN")
        for role in _carried_by_rds_superuser(connection):
            connection.execute(f"GRANT {role} TO rds_superuser WITH ADMIN OPTION")
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {} IN ROLE rds_superuser").format(
                sql.Identifier(user), sql.Literal(password)
            )
        )
        _let_give_roles(connection, user)
        connection.execute("CREATE DATABASE rdsadmin")
        connection.execute("REVOKE CONNECT ON DATABASE rdsadmin FROM PUBLIC")
    for database in ("postgres", "template1"):
        _give(server, database, user)


def _carried_by_rds_superuser(connection: psycopg.Connection) -> Iterator[str]:
    for role in ("rds_replication", "rds_password"):
        connection.execute(f"CREATE ROLE {role} NOLOGIN")
        yield role
    yield from ("pg_monitor", "pg_signal_backend")
    if connection.info.server_version >= 150000:
        yield "pg_checkpoint"


def _let_give_roles(connection: psycopg.Connection, user: str) -> None:
    """The RDS User Guide has the master user give both in every version; before 16 CREATEROLE is enough for that."""
    connection.execute("CREATE ROLE rds_iam NOLOGIN")
    if connection.info.server_version >= 160000:
        master = sql.Identifier(user)
        connection.execute(sql.SQL("GRANT rds_superuser TO {} WITH ADMIN TRUE").format(master))
        connection.execute(sql.SQL("GRANT rds_iam TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE").format(master))


def _give(server: Server, database: str, user: str) -> None:
    """The database becomes the master's; before 15 its schema public too (dumps of such instances show it), since 15 it goes with it."""
    with psycopg.connect(server.superuser_dsn(database), autocommit=True) as connection:
        master = sql.Identifier(user)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), master))
        if connection.info.server_version < 150000:
            connection.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(master))


def set_password(server: Server, user: str, password: str) -> None:
    """What rotating the managed secret does."""
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password)))


def _hand_over(directory: Path) -> None:
    if os.getuid() == 0:
        os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)


def _install_certificate(data: Path, certificate: Path, key: Path) -> None:
    for source, name in ((certificate, "server.crt"), (key, "server.key")):
        target = data / name
        shutil.copy(source, target)
        target.chmod(0o600)
        _hand_over(target)


def _run(program: Path, *arguments: object, check: bool = True) -> None:
    identity: dict[str, Any] = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.getuid() == 0 else {}
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        check=False,
        **identity,
    )
    if check and done.returncode:
        raise RuntimeError(f"{program.name} ended with {done.returncode}: {done.stderr[-2000:]}")
