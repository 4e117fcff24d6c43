"""PostgreSQL's own regression suite as a database: its SQL comes from Debian's source package and is fetched when it is asked for."""

import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from localcloud.postgresql.server import Server
from tests import tar_archives

_PACKAGE, _FILE = "postgresql-15=15.18-0+deb12u1", "postgresql-15_15.18.orig.tar.bz2"
_SHA256 = "11df0df97fe3ea4ba9a791faaf39cee1d2fe571e78885b5b55d8517d27c323b4"
_SOURCES = "deb-src http://deb.debian.org/debian bookworm main\n"
_INSIDE = "src/test/regress/"
# Tests of psql itself, of tablespaces on disk, and such as only wait or exhaust the server.
_PASSED_OVER = {"tablespace", "psql", "psql_crosstab", "maintain_every", "vacuum_parallel", "infinite_recurse", "stats"}


class SuiteNotAvailable(Exception):
    """The suite can't be fetched here; the text says why."""


def fetch(folder: Path) -> Path:
    """The folder `regress` of PostgreSQL's sources, unpacked below `folder`. Raises SuiteNotAvailable."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    (folder / "sources.list").write_text(_SOURCES)
    options = [
        "-o",
        f"Dir::Etc::sourcelist={folder / 'sources.list'}",
        "-o",
        "Dir::Etc::sourceparts=-",
        "-o",
        f"Dir::State::lists={lists}",
        "-o",
        "APT::Sandbox::User=root",
    ]
    for command in (["update"], ["source", "--download-only", _PACKAGE]):
        try:
            done = subprocess.run(["apt-get", *options, *command], cwd=folder, capture_output=True, text=True, timeout=200, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SuiteNotAvailable(str(error)) from error
        if done.returncode:
            raise SuiteNotAvailable(f"apt-get {command[0]}: {done.stderr.strip()[-500:]}")
    archive = folder / _FILE
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != _SHA256:
        raise SuiteNotAvailable(f"{_FILE} has the SHA-256 {found}, not {_SHA256}")
    return _unpacked(archive, folder)


def _unpacked(archive: Path, folder: Path) -> Path:
    with tarfile.open(archive) as tar:
        wanted = [m for m in tar if f"/{_INSIDE}" in m.name]
        tar_archives.unpack(tar, folder, wanted)
    return folder / wanted[0].name.split("/")[0] / _INSIDE


def run(server: Server, psql: Path, suite: Path, database: str) -> None:
    """Run every test's SQL in order as superuser; most errors in it are intended, and C functions of the suite's own are missing."""
    with tempfile.TemporaryDirectory() as results:
        environment = {
            **os.environ,
            "PGHOST": str(server.directory),
            "PGPORT": str(server.port),
            "PGUSER": "rdsadmin",
            "PG_ABS_SRCDIR": str(suite),
            "PG_ABS_BUILDDIR": results,
            "PG_LIBDIR": str(server.binaries.parent / "lib"),
            "PG_DLSUFFIX": ".so",
            "PGTZ": "PST8PDT",
            "PGDATESTYLE": "Postgres, MDY",
            "PGOPTIONS": "-c intervalstyle=postgres_verbose -c statement_timeout=60000",
        }
        Path(results, "results").mkdir()
        for test in _tests(suite):
            command = [str(psql), "-X", "-q", "-d", database, "-f", str(suite / "sql" / f"{test}.sql")]
            subprocess.run(command, env=environment, cwd=results, capture_output=True, check=False)


def _tests(suite: Path) -> list[str]:
    lines = (suite / "parallel_schedule").read_text().splitlines()
    named = [name for line in lines if line.startswith("test:") for name in line.removeprefix("test:").split()]
    return [name for name in named if name not in _PASSED_OVER]
