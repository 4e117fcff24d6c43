"""One job from its document to its result, and then the one that follows it, if it is known already: nothing of that needs another start
of the program. Invariant: every outcome is written down, once, even when nothing could begin.

A job loads its own engine's code alone: imports are a good part of what a small restore costs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dbrestore.contract import keys
from dbrestore.contract.errors import RestoreError, RestoreFailed
from dbrestore.contract.job import FOLLOWED_BY, Absence, DatabaseResult, DatabaseServer, ErrorNote, Job, Result, SwapResult
from dbrestore.worker.base import clients, memory, private_folder, secrets
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.base.job_folder import JobFolder, Location, read_object
from dbrestore.worker.base.kept import Kept
from dbrestore.worker.base.lock import only_one
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Credentials

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# A database, or an exchange, as it is finished, and what was seen gone.
Settled = tuple[DatabaseResult | SwapResult, Sequence[Absence]]


def _postgresql(work: "Work", credentials: Credentials, ca_file: Path) -> Iterator[Settled]:
    from dbrestore.worker.postgresql import jobs

    return jobs.run(work.folder, credentials, work.job, ca_file, work.progress, work.kept)


def _sqlserver(work: "Work", credentials: Credentials, ca_file: Path) -> Iterator[Settled]:
    from dbrestore.worker.sqlserver import jobs

    return jobs.run(work.folder, credentials, work.job, ca_file, work.progress)


def _reading(work: "Work") -> Iterator[Settled]:
    from dbrestore.worker.postgresql.dumps import reading

    return ((result, ()) for result in reading.run(work.s3, work.folder, work.job, work.progress, work.bounds))


ENGINES: Final = {"postgres": _postgresql, "sqlserver": _sqlserver}


def run(job_uri: str, bounds: Bounds | None = None) -> None:
    """Do the job unless its result is there, within these bounds or the usual ones, and what follows it. Returns when each result.json
    exists; raises if one could not be written."""
    # An SSM command has no AWS_REGION, and repository and evidence lie in the control account's Region, not always in this one. S3 would
    # redirect, but from names that private endpoints don't serve.
    s3 = clients.s3(keys.region_of(Location.parse(job_uri).bucket))
    folder: JobFolder | None = JobFolder.of(s3, job_uri)
    kept = Kept()
    while folder:
        folder = _do(folder, bounds or Bounds(), kept)
        memory.give_back()


def _do(folder: JobFolder, bounds: Bounds, kept: Kept) -> JobFolder | None:
    """Do the job of this folder unless its result is there. Returns the folder of the job that follows it, None if it has no such job, or
    another program did it and goes on with that itself."""
    with only_one(folder.job_uri):
        if folder.has_result():
            return None
        job = folder.job()
        progress = ProgressWriter(job.kind, folder.write_progress, bounds.progress_seconds)
        with private_folder.of_job(folder.job_uri) as private:
            result = _result(Work(folder.s3, job, folder, progress, bounds, kept), private)
        folder.write_result(result)
    return _following(folder, job, result)


def _following(folder: JobFolder, job: Job, result: Result) -> JobFolder | None:
    """Not what names other databases: it was written for another job of this kind, as when only some of them are replayed again."""
    if job.kind not in FOLLOWED_BY or result.error or any(database.error for database in result.databases):
        return None
    following = folder.other(FOLLOWED_BY[job.kind])
    return following if following.has_job() and following.job().databases == job.databases else None


@dataclass(frozen=True)
class Work:
    """One job: what is to be done, where its documents lie, within what, and what the job before left to it."""

    s3: "S3Client"
    job: Job
    folder: JobFolder
    progress: ProgressWriter
    bounds: Bounds
    kept: Kept


def _result(work: Work, private: Path) -> Result:
    settled: list[DatabaseResult | SwapResult] = []
    absences: list[Absence] = []
    error = None
    try:
        for result, seen in _work(work, private):
            settled.append(result)
            absences.extend(seen)
    except RestoreError as problem:
        error = ErrorNote.of(problem)
    except Exception as problem:  # whatever it was, the result must tell
        error = ErrorNote.of(RestoreFailed(f"{type(problem).__name__}: {problem}"))
    return Result(
        kind=work.job.kind,
        restore_id=work.job.restore_id,
        error=error,
        logged_in=error is None or work.folder.has_logged_in(),
        databases=tuple(each for each in settled if isinstance(each, DatabaseResult)),
        absences=tuple(absences),
        swaps=tuple(each for each in settled if isinstance(each, SwapResult)),
        seconds=round(work.progress.seconds, 3),
        peak_memory=_peak_memory(),
    )


def _work(work: Work, private: Path) -> Iterator[Settled]:
    job, ca_file = work.job, private / "ca.pem"
    if job.kind == "read":
        yield from _reading(work)
        return
    ca_file.write_bytes(read_object(work.s3, Location.parse(job.server.ca_bundle)))
    yield from ENGINES[job.engine](work, _credentials(job.server, work.bounds), ca_file)


def _credentials(server: DatabaseServer, bounds: Bounds) -> Credentials:
    if server.iam_user:
        return secrets.by_iam(clients.rds(server.region), server, bounds)
    return secrets.by_secret(clients.secretsmanager(server.region), server.secret_arn, bounds)


def _peak_memory() -> int:
    """Of this process, in bytes. Not from getrusage: there Linux begins with the peak of the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
