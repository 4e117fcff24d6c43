"""What a restore leaves for people who were not there: auditors, the owner of the data, whoever asks next year.

`restores/<restore id>/evidence.json` in the evidence bucket, made by CloseRestore of the report, the plan, the worker's results and the
restore point's manifest. The page `report.html` beside it is this document as people read it, and `manifest.sha256` holds the digests of
all of it. Lists that a dump decides the length of are cut here, and say so: whole they are in the worker's results, whose digests are here.
"""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from dbrestore.contract.approval import Approval
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.document import Document
from dbrestore.contract.drills import DrillVerdict
from dbrestore.contract.job import Check, ErrorNote, FixUp, LeftOut, SwapResult
from dbrestore.contract.record import PhaseRow, ResourceRow
from dbrestore.contract.request import TicketRequest
from dbrestore.contract.sections import ArchiveSection

Outcome = Literal["PASS", "PASS WITH EXCEPTIONS", "FAIL"]
Sameness = Literal["same", "other", "not known"]


class Question(Document):
    """What a check of one's own asked, in SQL, and what it expected, in words. `database` as the restore point names it; None beside its
    answer, and where only one database is restored."""

    name: str
    database: str | None = None
    sql: str
    expected: str


class Declared(Document):
    """A drill as it was declared. `schedule`, `restore_point` and `databases` are in words; an objective is None if there was none."""

    name: str
    schedule: str
    source: str
    restore_point: str
    databases: str
    target: str
    recovery_minutes: float | None = None
    point_hours: float | None = None
    questions: tuple[Question, ...] = ()


class Verdict(Document):
    """`sentence` says in one sentence what was proven, or why not; `exceptions` what a PASS is not without, a sentence each."""

    outcome: Outcome
    sentence: str
    exceptions: tuple[str, ...] = ()


class Asked(Document):
    """Who asked for it, and why, in their own words: nobody checked them. `accepted` are the choices of the request that allow a
    difference from the backup, a sentence each; `scheduled_time` is when the schedule of a drill meant it to start."""

    requested_by: str | None = None
    permitted_by: str | None = None
    approval: Approval | None = None
    scheduled_time: AwareDatetime | None = None
    reason: str | None = None
    ticket: TicketRequest = TicketRequest()
    accepted: tuple[str, ...] = ()


class Digest(Document):
    """One file: its path below `restores/<restore id>/`, for a file of the restore point its key in the repository, with the SHA-256 of its
    bytes in hexadecimal digits, and their number."""

    name: str
    sha256: str
    bytes: int


class PointEvidence(Document):
    """The restore point. `made_at` is when it was added to the repository, `age_seconds` its age at the start of the restore; `taken_at` is
    the time of the oldest of its backups that were restored, on the clock of whoever took it, without a zone. `manifest_state` is `as
    planned` if the manifest's SHA-256 is the one that the plan found, `changed` if it is another one now, `not read` (then `why`)
    otherwise. `files` are those of the databases that were restored, with the SHA-256 that the manifest gives them."""

    db_instance: str
    restore_point: str
    engine_version: str | None = None
    made_at: datetime | None = None
    taken_at: datetime | None = None
    age_seconds: float | None = None
    manifest: str
    manifest_sha256: str | None = None
    manifest_state: Literal["as planned", "changed", "not read"] = "not read"
    why: str = ""
    files: tuple[Digest, ...] = ()
    files_unlisted: int = 0


class TargetEvidence(Document):
    """The instance that was restored into."""

    db_instance: str
    arn: str
    account: str
    region: str
    vpc_id: str
    engine: str
    engine_version: str


class Segregation(Document):
    """Whether the copy stood apart from its source. A restore point doesn't record where its source runs, so that of another instance than
    the source nothing is claimed about account, Region and VPC. `store` compares the repository's account and Region with the target's.
    `told` are sentences."""

    instance: Sameness
    account: Sameness
    region: Sameness
    vpc: Sameness
    store_account: Sameness
    store_region: Sameness
    told: tuple[str, ...]


class ClockPart(Document):
    """One part of the time that the restore took, in seconds; states that ran at the same time count once."""

    name: Literal["planning", "archive", "worker and network", "staging", "restore", "verification", "clean-up", "other"]
    seconds: float


class RecoveryEvidence(Document):
    """`recovery_seconds`: from the start to the verified databases, None if that was never reached."""

    recovery_seconds: float | None = None
    total_seconds: float
    parts: tuple[ClockPart, ...] = ()


class CheckSort(Document):
    """All checks of one sort of a database, such as `rows of`, and how they ended. `method` is the way in which they look."""

    sort: str
    method: str
    checked: int
    ok: int
    failed: int
    not_checked: int


class DatabaseEvidence(Document):
    """What was expected of one database, what was found, and what was not checked. `checks` holds what failed first, then what was not
    checked, then the others; `checks_unlisted` more stand in the worker's result. In the same way `adapted` and `left_out`. `questions` are
    those that `answers` answer, by their name, and those that were never asked; none where the plan can't be read."""

    name: str
    asked_name: str
    status: str
    proven: bool
    error: ErrorNote | None = None
    rows: int = 0
    bytes: int = 0
    seconds: float = 0.0
    sorts: tuple[CheckSort, ...] = ()
    checks: tuple[Check, ...] = ()
    checks_unlisted: int = 0
    questions: tuple[Question, ...] = ()
    answers: tuple[CheckAnswer, ...] = ()
    answers_unlisted: int = 0
    adapted: tuple[FixUp, ...] = ()
    adapted_unlisted: int = 0
    left_out: tuple[LeftOut, ...] = ()
    left_out_unlisted: int = 0


class Method(Document):
    """One way to look at a restored database that doesn't depend on the others, and how often it was used."""

    name: str
    told: str
    checked: int
    failed: int
    not_checked: int


class Versions(Document):
    """`source_engine` is the version of the backed-up server, `code` the fingerprint of the control plane's code
    (dbrestore.contract.deployed.versions)."""

    source_engine: str | None = None
    target_engine: str | None = None
    tool: str
    code: str


class Evidence(Document):
    """`mode` is `unknown` where the plan can't be read. `documents` are the digests of everything that this restore has in the evidence
    bucket, but of this document, the page and `manifest.sha256` itself, which holds the former two. `swaps` are the exchanges of names, of
    the databases of the restore `swap_of`; what was replaced is kept until `kept_until`. `notices` are sentences that whoever
    operates source and target must know; `damage` says that a drill's restore point was damaged on purpose. Of a drill that could not
    begin, skipped or refused, `declared` is what should have been proven, and `point`, `target` and `segregation` are None: nothing was
    chosen."""

    schema_version: Literal["1"] = "1"
    restore_id: str
    execution_arn: str
    mode: Literal["restore", "drill", "add", "swap", "unknown"]
    status: Literal["SUCCEEDED", "FAILED"]
    verdict: Verdict
    asked: Asked
    written_at: AwareDatetime
    started_at: AwareDatetime
    ended_at: AwareDatetime
    error: ErrorNote | None = None
    plan_trouble: str | None = None
    leftovers: tuple[str, ...] = ()
    drill: DrillVerdict | None = None
    declared: Declared | None = None
    damage: bool = False
    not_chosen: tuple[str, ...] = ()
    point: PointEvidence | None = None
    target: TargetEvidence | None = None
    segregation: Segregation | None = None
    recovery: RecoveryEvidence
    archive: ArchiveSection | None = None
    phases: tuple[PhaseRow, ...] = ()
    databases: tuple[DatabaseEvidence, ...] = ()
    swaps: tuple[SwapResult, ...] = ()
    swap_of: str | None = None
    kept_until: AwareDatetime | None = None
    methods: tuple[Method, ...] = ()
    proofs: tuple[str, ...] = ()
    resources: tuple[ResourceRow, ...] = ()
    resources_unlisted: int = 0
    versions: Versions
    documents: tuple[Digest, ...] = ()
    notices: tuple[str, ...] = ()


class ProvenDatabase(Document):
    """One database of a restore in the ledger's list: whether it was proven, and the seconds that both jobs took."""

    name: str
    proven: bool
    seconds: float = 0.0


class ListedProof(Document):
    """What the ledger's list of restores knows of the proof, so that coverage is one question to one table. `source` is the instance whose
    backup it was, `age_seconds` the age of the restore point at the start. `why` is the verdict's sentence, in short."""

    outcome: Outcome
    why: str = ""
    drill: str | None = None
    source: str
    restore_point: str = ""
    age_seconds: float | None = None
    recovery_seconds: float | None = None
    databases: tuple[ProvenDatabase, ...] = ()
