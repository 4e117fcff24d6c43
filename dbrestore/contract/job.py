"""The documents between the control plane and the worker: job, progress, result.

They lie beside each other in the evidence bucket: `restores/<restore id>/jobs/<job name>/{job,progress,result}.json`. The SSM command
carries the job's URI and nothing else. The lambdas import this module; it imports nothing of theirs.
"""

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import Field
from pydantic.dataclasses import dataclass

from dbrestore.contract.checks.asked import AskedCheck, CheckAnswer
from dbrestore.contract.document import PART, Document
from dbrestore.contract.errors import RestoreError
from dbrestore.contract.manifest import Engine, NativeKind
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.contract.swaps.orders import SwapAction
from dbrestore.contract.texts import SqlText, Text

JobKind = Literal["replay", "restore", "verify", "swap", "discard", "read"]
DatabaseStatus = Literal["REPLAYED", "RESTORED", "PROMOTED", "DISCARDED", "READ", "FAILED"]
# What a program goes on with after a job of this kind, without another command: the job of that name and restore, if its document lies
# there and names the same databases, and none of them failed. A command for it that comes meanwhile waits, and finds it done.
FOLLOWED_BY: Final[dict[JobKind, JobKind]] = {"replay": "verify"}


class DatabaseServer(Document):
    """Where and how to log in. The secret is JSON `{"username": ..., "password": ...}` in Secrets Manager; with `iam_user` (PostgreSQL
    alone) there is none, and that user logs in with tokens of IAM. `ca_bundle` is an s3:// URI of PEM certificates; TLS is always verified,
    host name included."""

    host: str
    port: int
    region: str
    secret_arn: str = ""
    iam_user: str = ""
    ca_bundle: str


class DatabaseJob(Document):
    """One database of a job. `backup_name` is its name in the manifest, `asked_name` the name to promote it to, `temporary_name` the name
    it is built under, `login_role` the temporary login that replays it, and `holder_role` the powerless role that owns afterwards what no
    other role may own (all three made from the restore id). `asked_checks` are the questions of the request about this database.
    The copy of a drill keeps its temporary name, which is then the asked one too."""

    backup_name: str
    asked_name: str
    temporary_name: str
    login_role: str
    holder_role: str
    asked_checks: tuple[AskedCheck, ...] = ()

    @property
    def stays_temporary(self) -> bool:
        """Whether it is verified and then dropped: nobody else is ever let in."""
        return self.asked_name == self.temporary_name


class NativeStep(Document):
    """One restore task: the backup set's place in the temporary bucket as RDS takes it (one object, or a prefix and `*` for stripes). A
    database of one step is recovered by it; in a chain every step leaves it RESTORING and `rds_finish_restore` recovers it. `stop_at` goes
    with log backups only; it is the clock of the server that was backed up, without a zone. `set_id` is the set's id in the manifest."""

    kind: NativeKind
    s3_arn: str
    set_id: str = ""
    stop_at: datetime | None = None


class NativeDatabaseJob(Document):
    """One SQL Server database. Each task of RDS whose S3 object key begins with `key_prefix` is this restore's own, whatever the bucket's
    name: that is how a task is found again after a lost connection. `discard` needs no steps. The manifest's sizes and names are compared
    with those of the set `last_set` (its id): the last that is restored. `asked_checks` are the questions of the request about this
    database; `restore` refuses those that can't be asked, before it begins."""

    backup_name: str
    asked_name: str
    key_prefix: str
    steps: tuple[NativeStep, ...] = ()
    last_set: str = ""
    asked_checks: tuple[AskedCheck, ...] = ()


class NativeOptions(Document):
    """`fix_users` maps orphaned users to logins of their name; `check_database` runs DBCC CHECKDB. `stop_at` is the point in time that was
    asked for, as in NativeStep: the header of a log backup tells what the database was like after it."""

    fix_users: bool = False
    check_database: bool = False
    stop_at: datetime | None = None


class PostgresOptions(Document):
    """What the request chose for PostgreSQL databases. `owners` maps roles of the dump to roles of the target that may own in their place;
    `keep_owners` lets every role of the dump own that the target has too (only when the restore point is of the target itself); the
    master user, `rds*`, `pg_*` and superusers never own anything of a dump. `create_missing_roles` makes the dump's other roles, without
    login or rights. Extensions outside `allowed_extensions`, or that the server lacks, are refused, or with `skip_missing_extensions` left
    out. `skip_unrestorable` leaves out what the target refuses and what depends on it. `encoding` and `locale` None: those of the dump.
    `verify` `content` reads every row back."""

    owners: dict[str, str] = Field(default={})
    keep_owners: bool = False
    create_missing_roles: bool = False
    allowed_extensions: tuple[str, ...] = ()
    skip_missing_extensions: bool = False
    skip_unrestorable: bool = False
    encoding: str | None = None
    locale: str | None = None
    verify: Literal["counts", "content"] = "counts"


class Job(Document):
    """What the worker is to do. `replay` (PostgreSQL) builds each database under its temporary name, `restore` (SQL Server) has RDS restore
    it; `verify` compares it with the manifest, for PostgreSQL settles owners and grants and renames it; `swap` exchanges the names of
    `swaps`; `discard` drops what this restore made, and tells of `swaps` how they stand; `read` looks at no database server, and reads the
    dumps that the note at `manifest` lists (`dbrestore.points.in_s3.unfinished`). `databases` are PostgreSQL's, `native_databases`
    SQL Server's. `manifest` is an s3:// URI, `manifest_sha256` what its text was when the restore was planned; `streams` the number of
    parallel COPY connections; `keep_toast_compression` leaves the target's default codec alone; `with_damage` (`replay`) reads each dump as
    if one bit of it had changed, so that a drill shows that it can fail; `pause_seconds` (`replay`) lie between two databases."""

    kind: JobKind
    restore_id: str
    engine: Engine = "postgres"
    server: DatabaseServer
    databases: tuple[DatabaseJob, ...] = ()
    native_databases: tuple[NativeDatabaseJob, ...] = ()
    native_options: NativeOptions = NativeOptions()
    postgres: PostgresOptions = PostgresOptions()
    manifest: str | None = None
    manifest_sha256: str | None = None
    streams: int = 2
    keep_toast_compression: bool = False
    with_damage: bool = False
    pause_seconds: int = 0
    swaps: tuple[SwapJob, ...] = ()


class Beginning(Document):
    """`restores/<restore id>/begun/<n>.json`, from the `restore` job to `discard`: before RDS was first asked to restore a SQL Server
    database, its name was free. `was_refused`: RDS refused at once, so nothing of that name is this restore's own."""

    asked_name: str
    was_refused: bool = False


class Progress(Document):
    """Written while a job runs, at most once a second. Bytes are uncompressed COPY text, for SQL Server those of the staged files that
    RDS says it has processed; objects are the indexes, constraints and materialized views that are built on rows; `work` is what share of
    everything is done: bytes, and for an object what it is estimated to cost in them. `current` are the objects that are worked on; `note`
    is the last message of RDS's task; `seconds` since the job began."""

    kind: JobKind
    phase: str
    database: str | None = None
    bytes_done: int = 0
    bytes_total: int = 0
    tables_done: int = 0
    tables_total: int = 0
    objects_done: int = 0
    objects_total: int = 0
    work_done: int = 0
    work_total: int = 0
    current: tuple[Text, ...] = ()
    note: str = ""
    seconds: float = 0.0


class ErrorNote(Document):
    """An error by its name (dbrestore.contract.errors) and its sentence."""

    name: str
    message: Text

    @property
    def in_short(self) -> str:
        """The name and the first line."""
        return f"{self.name}: {self.message.partition(chr(10))[0]}"

    @classmethod
    def of(cls, error: RestoreError) -> Self:
        """What a document keeps of the error."""
        return cls(name=type(error).__name__, message=str(error))


class FixUp(Document):
    """One entry of the dump that could not be restored to the letter, and what was done instead. Nothing is dropped without one.
    `entry` reads like `ACL public TABLE orders`."""

    entry: Text
    what: Text


class LeftOut(Document):
    """One entry of the dump that was left out because the request allowed it: why, the SQL with which a person can make it by hand, and how
    many rows of the dump were therefore not loaded."""

    entry: Text
    why: Text
    sql: SqlText = ""
    rows: int = 0


class CodeObject(Document):
    """One object through which code of the dump will run without being called, or as another than its caller: `security definer function`,
    `expression index`, `statistics object`, `trigger`, ... `function` is what runs, `runs_as` the role, `when` the occasion as a phrase
    (`whenever autovacuum analyses public.t1`)."""

    kind: str
    name: str
    function: str
    runs_as: str
    when: str


@dataclass(config=PART, frozen=True, slots=True, kw_only=True)
class Check:
    """One row of the verification table. `result` is `ok`, `failed` or `not checked` (then `actual` says why)."""

    check: Text
    expected: Text
    actual: Text
    result: Literal["ok", "failed", "not checked"]


class DatabaseResult(Document):
    """What became of one database. `rows`, `bytes` (uncompressed) and `tables` are what was really loaded; `peak_memory` of the worker's
    own process in bytes; `answers` are those to the questions of the request; `identity` (dbrestore.contract.swaps.exchanges) is that of a
    promoted database; lists stay in this document and never travel through the state."""

    backup_name: str
    asked_name: str
    temporary_name: str
    status: DatabaseStatus
    error: ErrorNote | None = None
    rows: int = 0
    bytes: int = 0
    tables: int = 0
    seconds: float = 0.0
    left_out: tuple[LeftOut, ...] = ()
    fix_ups: tuple[FixUp, ...] = ()
    code: tuple[CodeObject, ...] = ()
    checks: tuple[Check, ...] = ()
    answers: tuple[CheckAnswer, ...] = ()
    identity: str = ""


class SwapResult(Document):
    """How an exchange of names ended, done or not. `restored_is` and `old_is` are the names that the two bear now, empty if there is no
    such database. `fix_ups` tell what of the old database's owner, privileges and settings could not be given to the restored one."""

    action: SwapAction
    name: str
    restored_as: str
    kept_as: str
    is_done: bool
    restored_id: str
    restored_is: str
    old_id: str = ""
    old_is: str = ""
    fix_ups: tuple[FixUp, ...] = ()
    error: ErrorNote | None = None
    seconds: float = 0.0

    @property
    def truth(self) -> str:
        """Which name holds what, in one sentence."""
        holder = {self.restored_is: "the restored database", self.old_is: "the database from before"}.get(self.name)
        told = [f"{self.name!r} is {holder}" if holder else f"no database of this exchange bears the name {self.name!r}"]
        told += [f"the restored one is {self.restored_is!r}"] if self.restored_is not in ("", self.name) else []
        told += [f"the one from before is {self.old_is!r}"] if self.old_is not in ("", self.name) else []
        return ", ".join(told)


class Absence(Document):
    """Proof of absence: the temporary database or role by name, and that it was looked for and not found at the end of the job. A
    `native-task` is named by its key prefix and absent when RDS lists no task of it that could still do anything. `note` says what
    else there is to know, as of a database of the same name that another made."""

    kind: Literal["database", "role", "native-task"]
    name: str
    seen_absent: bool
    note: str | None = None


class Result(Document):
    """Written once, at the end. A job that could not begin has `error` and no databases. `logged_in` False: no worker of this restore ever
    had a session with the server, so nothing can be there."""

    kind: JobKind
    restore_id: str
    error: ErrorNote | None = None
    logged_in: bool = True
    databases: tuple[DatabaseResult, ...] = ()
    absences: tuple[Absence, ...] = ()
    swaps: tuple[SwapResult, ...] = ()
    seconds: float = 0.0
    peak_memory: int = 0
