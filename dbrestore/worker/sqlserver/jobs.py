"""SQL Server's jobs, by their kind: restore, verify, swap, discard. Invariant: what the server said comes out under an error name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dbrestore.contract.errors import RestoreFailed
from dbrestore.contract.job import Absence, DatabaseResult, Job, SwapResult
from dbrestore.contract.sqlserver_errors import ServerUnreachable
from dbrestore.worker.base.job_folder import JobFolder, read_manifest
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Credentials
from dbrestore.worker.sqlserver import discard as native_discard
from dbrestore.worker.sqlserver import restore as native_restore
from dbrestore.worker.sqlserver import swapping
from dbrestore.worker.sqlserver import verification as native_verification
from dbrestore.worker.sqlserver.beginnings import Beginnings
from dbrestore.worker.sqlserver.messages import error_of_engine
from dbrestore.worker.sqlserver.session import ConnectionLost, EngineError, SqlServer

Settled = tuple[DatabaseResult | SwapResult, Sequence[Absence]]


def run(folder: JobFolder, credentials: Credentials, job: Job, ca_file: Path, progress: ProgressWriter) -> Iterator[Settled]:
    """Each database, or exchange of two, as it is settled. Raises the RestoreError that none of them can go on after."""
    server = SqlServer(job.server, ca_file, credentials, folder.note_login)
    try:
        yield from _settled(folder, server, job, progress)
    except EngineError as problem:
        raise error_of_engine(problem.number, problem.message) from problem
    except ConnectionLost as problem:
        raise ServerUnreachable(
            f"{job.server.host}:{job.server.port}: the connection was lost ({problem}): check that the instance is available, then "
            "restore again"
        ) from problem


def _settled(folder: JobFolder, server: SqlServer, job: Job, progress: ProgressWriter) -> Iterator[Settled]:
    beginnings = Beginnings(folder.s3, folder.bucket, job.restore_id)
    if job.kind == "discard":
        yield from native_discard.run(server, job.native_databases, beginnings.has)
        yield from swapping.look(server, job.swaps)
        return
    if job.kind == "swap":
        progress.phase("exchanging names")
        yield from swapping.run(server, job.swaps)
        return
    manifest = read_manifest(folder.s3, job)
    if job.kind == "replay":
        raise RestoreFailed("SQL Server has no dumps to replay: its jobs are restore, verify, swap and discard")
    if job.kind == "restore":
        yield from native_restore.run(server, job, manifest, progress, beginnings)
    else:
        yield from native_verification.run(server, job, manifest, progress)
