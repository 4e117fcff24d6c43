"""PostgreSQL's jobs, by their kind: replay, verify, swap, discard. Invariant: what the server said comes out under an error name."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import psycopg

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import Absence, DatabaseResult, Job, SwapResult
from dbrestore.contract.manifest import Manifest
from dbrestore.worker.base import memory
from dbrestore.worker.base.job_folder import JobFolder, Location, read_manifest
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Credentials
from dbrestore.worker.postgresql import discard, replay, verification
from dbrestore.worker.postgresql.building import Replay
from dbrestore.worker.postgresql.rows import damage
from dbrestore.worker.postgresql.session import Server, explained
from dbrestore.worker.postgresql.swapping import exchange

Settled = tuple[DatabaseResult | SwapResult, Sequence[Absence]]


def run(folder: JobFolder, credentials: Credentials, job: Job, ca_file: Path, progress: ProgressWriter) -> Iterator[Settled]:
    """Each database, or exchange of two, as it is settled. Raises the RestoreError that none of them can go on after."""
    server = Server(job.server, ca_file, credentials, folder.note_login)
    try:
        yield from _settled(folder, server, job, progress)
    except psycopg.Error as problem:
        raise ReplayFailed(f"{job.server.host}: {explained(problem)}") from problem


def _settled(folder: JobFolder, server: Server, job: Job, progress: ProgressWriter) -> Iterator[Settled]:
    if job.kind == "discard":
        yield from discard.run(server, job.databases)
        yield from exchange.look(server, job.swaps)
        return
    if job.kind == "swap":
        progress.phase("exchanging names")
        yield from exchange.run(server, job.swaps)
        return
    manifest = _needed(read_manifest(folder.s3, job), job)
    memory.give_back()
    bucket = Location.parse(job.manifest or "").bucket
    if job.kind == "replay":
        s3 = damage.damaged(folder.s3, manifest.databases) if job.with_damage else folder.s3
        for result in replay.run(Replay(s3, bucket, manifest, server, job, progress, folder)):
            yield result, ()
            if result.asked_name != job.databases[-1].asked_name:
                time.sleep(job.pause_seconds)
        return
    subject = verification.Verification(folder.s3, bucket, manifest, server, job, progress, folder)
    yield from verification.run(subject)


def _needed(manifest: Manifest, job: Job) -> Manifest:
    """Without the databases that aren't asked for, and without digests of rows if nobody compares them: there is one for each table."""
    names = {database.backup_name for database in job.databases}
    found = tuple(database for database in manifest.databases if database.name in names)
    if job.kind == "replay" or job.postgres.verify != "content":
        found = tuple(d.model_copy(update={"tables": tuple(replace(m, content=None) for m in d.tables)}) for d in found)
    return manifest.model_copy(update={"databases": found or manifest.databases})
