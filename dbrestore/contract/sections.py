"""What the states of a restore write, each exactly one section, in the order of the flow.

    $.archive -> $.worker -> $.securityGroups -> ($.staging) -> $.restored -> $.verified -> ($.swapped) -> $.report
    ($.copied) -> $.worker -> $.added -> $.report   of a restore point that is made

Long lists (tables, members, fix-ups) stay in the worker's result in S3. The JSON Schema of each model is generated into docs/contract/.
"""

from datetime import datetime

from dbrestore.contract.document import Document
from dbrestore.contract.job import ErrorNote
from dbrestore.contract.request import ArchiveTier


class ArchiveSection(Document):
    """`$.archive`: the data is there. `requested` counts what was asked of S3 by this restore, `found_ready` what was retrieved already or
    on its way; `fell_back` those for which Expedited had no capacity and Standard was taken. `readable_until` is when the first of the
    retrieved copies goes; None if nothing does (Intelligent-Tiering)."""

    objects: int
    bytes: int
    tier: ArchiveTier
    requested: int
    found_ready: int
    fell_back: int
    readable_until: datetime | None = None


class WorkerSection(Document):
    """`$.worker`: the instance that runs, registered with SSM."""

    instance_id: str


class SecurityGroupsSection(Document):
    """`$.securityGroups`: the pair. The database's lets in only the worker's on the instance's port; the worker's lets out only there."""

    database_group_id: str
    worker_group_id: str


class StagingSection(Document):
    """`$.staging`: the temporary bucket, and what was copied into it under `prefix` (the restore's id and `/`)."""

    bucket: str
    prefix: str
    objects: int
    bytes: int


class DatabaseOutcome(Document):
    """One database in `$.restored` and `$.verified`; there and in the report `seconds` are those of both jobs. `left_out` counts entries of
    the dump that were left out on request."""

    name: str
    asked_name: str
    status: str
    rows: int
    bytes: int
    seconds: float
    left_out: int = 0
    error: ErrorNote | None = None


class RestoredSection(Document):
    """`$.restored`: what the replay did; `result` is the s3:// URI of the worker's whole result."""

    databases: tuple[DatabaseOutcome, ...]
    result: str


class VerifiedSection(Document):
    """`$.verified`: what verification found; only promoted databases carry the asked name."""

    databases: tuple[DatabaseOutcome, ...]
    result: str


class ExchangeOutcome(Document):
    """One exchange in `$.swapped`: the names that the restored database and the one from before bear now, empty if it is gone."""

    name: str
    restored_is: str
    old_is: str


class SwappedSection(Document):
    """`$.swapped`: names that were exchanged, turned back, or copies that were dropped; `result` is the s3:// URI of the worker's."""

    exchanges: tuple[ExchangeOutcome, ...]
    result: str


class CopiedSection(Document):
    """`$.copied`: dumps that S3 has copied into the repository, under `prefix`, for a point that nobody can see yet."""

    bucket: str
    prefix: str
    objects: int
    bytes: int


class AddedSection(Document):
    """`$.added`: the restore point that was made of dumps in S3, and what is in it."""

    instance: str
    point_id: str
    databases: tuple[DatabaseOutcome, ...]


class ReportSection(Document):
    """`$.report`: where the report lies, and the page of the evidence. `manifest_sha256` is the digest of `manifest.sha256`, which holds
    those of everything else: whoever keeps it, as the history of an execution does, can tell whether anything was changed. `trouble` says
    why there is no page, or no evidence at all."""

    report: str
    page: str | None = None
    manifest_sha256: str | None = None
    trouble: str | None = None
