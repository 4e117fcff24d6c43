"""One job from its document to its result. Invariant: every outcome is written down, once, even when nothing could begin."""

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psycopg

from repository.errors import RestoreError, RestoreFailed
from repository.ranges import CLIENT_CONFIG
from worker import discard, limits, private_folder, replay, verification
from worker.job import Absence, DatabaseResult, ErrorNote, Job, Result
from worker.job_folder import JobFolder, Location, read_manifest, read_object
from worker.lock import only_one
from worker.progress import ProgressWriter
from worker.session import Server, explained, managed_secret

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Outcome = tuple[list[DatabaseResult], list[Absence]]


def run(job_uri: str) -> None:
    """Do the job unless its result is there. Returns when result.json exists; raises if it could not be written."""
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    folder = JobFolder.of(s3, job_uri)
    with only_one(job_uri):
        if folder.has_result():
            return
        job = folder.job()
        progress = ProgressWriter(job.kind, folder.write_progress)
        with private_folder.of_job(job_uri) as private:
            result = _result(s3, job, folder, progress, private)
        folder.write_result(result)


def _result(s3: "S3Client", job: Job, folder: JobFolder, progress: ProgressWriter, private: Path) -> Result:
    databases: list[DatabaseResult] = []
    absences: list[Absence] = []
    error = None
    try:
        server = _server(s3, job, private)
        _do(s3, job, server, folder, progress, private, (databases, absences))
    except RestoreError as problem:
        error = ErrorNote(name=type(problem).__name__, message=str(problem))
    except psycopg.Error as problem:
        error = ErrorNote(name="ReplayFailed", message=f"{job.server.host}: {explained(problem)}")
    except Exception as problem:  # whatever it was, the result must tell
        error = ErrorNote(name="RestoreFailed", message=f"{type(problem).__name__}: {problem}")
    return Result(
        kind=job.kind, restore_id=job.restore_id, error=error, databases=tuple(databases), absences=tuple(absences),
        seconds=round(progress.seconds, 3), peak_memory=_peak_memory(),
    )  # fmt: skip


def _do(
    s3: "S3Client",
    job: Job,
    server: Server,
    folder: JobFolder,
    progress: ProgressWriter,
    private: Path,
    outcome: Outcome,
) -> None:
    """Run the job's kind, adding to the outcome as databases are finished."""
    databases, absences = outcome
    if job.kind == "discard":
        for result, seen in discard.run(server, job.databases):
            databases.append(result)
            absences.extend(seen)
        return
    if job.manifest is None:
        raise RestoreFailed(f"a {job.kind} job must name its manifest")
    where, manifest = Location.parse(job.manifest), read_manifest(s3, job.manifest)
    if job.kind == "replay":
        for result in replay.run(replay.Replay(s3, where.bucket, manifest, server, job, progress, private)):
            databases.append(result)
        return
    subject = verification.Verification(s3, where.bucket, manifest, server, job, progress, folder, private)
    for verified, gone in verification.run(subject):
        databases.append(verified)
        absences.extend(gone)


def _server(s3: "S3Client", job: Job, private: Path) -> Server:
    """The target server with its certificates in the private folder."""
    secrets = boto3.client("secretsmanager", region_name=job.server.region, config=limits.AWS)
    ca_file = private / "ca.pem"
    ca_file.write_bytes(read_object(s3, Location.parse(job.server.ca_bundle)))
    return Server(job.server, ca_file, managed_secret(secrets, job.server.secret_arn))


def _peak_memory() -> int:
    """Of this process, in bytes. pg_restore's own stays below 30 MB and is not in it. Not from getrusage: there Linux begins with the peak
    of the process that started this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
