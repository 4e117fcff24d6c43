"""PostgreSQL's jobs, by their kind: replay, verify, swap, discard. Invariant: what the server said comes out under an error name."""

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg

from dbrestore.contract.errors import ReplayFailed
from dbrestore.contract.job import Absence, DatabaseResult, Job, SwapResult
from dbrestore.contract.manifest import Manifest
from dbrestore.worker.base import memory
from dbrestore.worker.base.job_folder import JobFolder, Location, read_manifest
from dbrestore.worker.base.kept import Kept
from dbrestore.worker.base.progress import ProgressWriter
from dbrestore.worker.base.secrets import Credentials
from dbrestore.worker.postgresql import discard, replay, verification
from dbrestore.worker.postgresql.archive import Archive, Source
from dbrestore.worker.postgresql.building import Replay
from dbrestore.worker.postgresql.rows import damage
from dbrestore.worker.postgresql.session import Server, explained
from dbrestore.worker.postgresql.swapping import exchange

Settled = tuple[DatabaseResult | SwapResult, Sequence[Absence]]


def run(folder: JobFolder, credentials: Credentials, job: Job, ca_file: Path, progress: ProgressWriter, kept: Kept) -> Iterator[Settled]:
    """Each database, or exchange of two, as it is settled. Raises the RestoreError that none of them can go on after. What was read is left
    in `kept`, and taken from there."""
    server = Server(job.server, ca_file, credentials, folder.note_login)
    try:
        yield from _settled(folder, server, job, progress, kept)
    except psycopg.Error as problem:
        raise ReplayFailed(f"{job.server.host}: {explained(problem)}") from problem


def _settled(folder: JobFolder, server: Server, job: Job, progress: ProgressWriter, kept: Kept) -> Iterator[Settled]:
    if job.kind == "discard":
        yield from discard.run(server, job.databases)
        yield from exchange.look(server, job.swaps)
        return
    if job.kind == "swap":
        progress.phase("exchanging names")
        yield from exchange.run(server, job.swaps)
        return
    source = kept.take(_read_for(job), Source)
    manifest = source.manifest if source and _needs_no_digests(job) else _needed(read_manifest(folder.s3, job), job)
    memory.give_back()
    bucket = Location.parse(job.manifest or "").bucket
    if job.kind == "replay":
        s3 = damage.damaged(folder.s3, manifest.databases) if job.with_damage else folder.s3
        for result in replay.run(Replay(s3, bucket, manifest, server, job, progress, folder, partial(_keep, kept, job, manifest))):
            yield result, ()
            if result.asked_name != job.databases[-1].asked_name:
                time.sleep(job.pause_seconds)
        return
    archive = source.archive if source else None
    yield from verification.run(verification.Verification(folder.s3, bucket, manifest, server, job, progress, folder, archive))


def _keep(kept: Kept, job: Job, manifest: Manifest, archive: Archive) -> None:
    """For the verification. Of several databases none: all of them would be held until then."""
    if len(job.databases) == 1 and job.manifest_sha256:
        kept.leave(_read_for(job), Source(manifest, archive))


def _read_for(job: Job) -> Hashable:
    """What decides about the texts that a job reads: both are one text if their manifest has the SHA-256 that the plan found."""
    return job.manifest, job.manifest_sha256, job.databases, job.postgres.encoding


def _needed(manifest: Manifest, job: Job) -> Manifest:
    """Without the databases that aren't asked for, and without digests of rows if nobody compares them: there is one for each table."""
    names = {database.backup_name for database in job.databases}
    found = tuple(database for database in manifest.databases if database.name in names)
    if _needs_no_digests(job):
        found = tuple(d.model_copy(update={"tables": tuple(replace(m, content=None) for m in d.tables)}) for d in found)
    return manifest.model_copy(update={"databases": found or manifest.databases})


def _needs_no_digests(job: Job) -> bool:
    return job.kind == "replay" or job.postgres.verify != "content"
