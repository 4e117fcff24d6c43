"""What a restore task does to a database: SQL Server's rules on headers, LSNs, versions and space, and RDS's own.

Invariant: a task that is refused before it began leaves no database behind; one that is stopped after that leaves it RESTORING.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from dbrestore.points.sqlserver.header import BackupSet
from localcloud.sqlserver.databases import Database, User
from localcloud.sqlserver.history import Restored
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.source import THUMBPRINT, Place, Source, TaskFailed, failed, objects, read
from localcloud.sqlserver.tasks import Task
from localcloud.sqlserver.texts import text

Kind = Literal["FULL", "DIFFERENTIAL", "LOG"]

_LETTERS: Final = {"FULL": "D", "DIFFERENTIAL": "I", "LOG": "L"}
_MEBIBYTE: Final = 1 << 20
# Express: 10 GB of data files per database.
_LICENSED_MEBIBYTES: Final = 10240
_RESTORE: Final = "RESTORE DATABASE"


@dataclass
class Restore:
    """One backup set into one database. `stop_at` is the source's clock; only logs have it."""

    instance: Instance
    name: str
    kind: Kind
    place: Place
    with_recovery: bool
    stop_at: datetime | None = None
    source: Source | None = field(default=None, init=False)

    def begin(self, task: Task) -> None:
        """Read the backup and refuse what does not fit, then make the database or take the one that waits."""
        self.instance.admit_intruders("start")
        _require_key(self.instance)
        keys = objects(self.instance.s3, self.place)
        if len(keys) > 1:
            task.note(self.instance.clock.now, text("multi-file").line(count=len(keys), files=", ".join(keys)))
        self.source = read(self.instance.s3, self.place, keys)
        task.files = self.source.files
        self._require_fit(task, self.source.backup_set)
        if self.kind == "FULL":
            owner = self.instance.master.name
            self.instance.databases.create(self.name, self.instance.clock.now, owner, "RESTORING")

    def proceed(self, task: Task) -> int:
        """The objects must stay where they are until the end."""
        objects(self.instance.s3, self.place)
        return self.instance.switches.percent_per_poll

    def end(self, task: Task) -> None:
        """Roll the database forward, and recover it unless more is to come."""
        database = self.instance.databases.find(self.name)
        if database is None or self.source is None:
            raise failed("needs-full", command=_RESTORE, database=self.name)
        if self.kind == "FULL":
            _settle(database, self.source.backup_set, self.instance)
        database.roll_forward(self.source.backup_set)
        if self._ends_early(self.source.backup_set):
            task.note(self.instance.clock.now, text("log-ends-early").line())
            return
        database.recovered_to = self.stop_at
        if self.with_recovery:
            recover(database)
        self._remember(task, database, self.source.backup_set)

    def _remember(self, task: Task, database: Database, backup_set: BackupSet) -> None:
        at, model = self.instance.clock.now, database.recovery_model
        done = Restored(at, database.name, task.submitted_by, backup_set, model, self.with_recovery, self.stop_at)
        self.instance.history.restores.append(done)

    def _ends_early(self, backup_set: BackupSet) -> bool:
        """A log that began to be backed up before the moment doesn't hold it."""
        return self.stop_at is not None and backup_set.begun_at <= self.stop_at

    def _require_fit(self, task: Task, backup_set: BackupSet) -> None:
        _require_version(self.instance, backup_set)
        _require_contents(self.instance, task, backup_set)
        if self.kind == "FULL":
            _require_full(self.instance, self.name, backup_set)
            _require_room(self.instance, backup_set)
        else:
            self._require_chain(backup_set)

    def _require_chain(self, backup_set: BackupSet) -> None:
        database = self.instance.databases.find(self.name)
        if database is None:
            raise failed("needs-full", command=_RESTORE, database=self.name)
        if database.state != "RESTORING" or database.full is None:
            raise failed("not-ready", command=_RESTORE)
        if backup_set.kind != _LETTERS[self.kind]:
            raise failed("wrong-object")
        if self.kind == "DIFFERENTIAL":
            _require_base(database.full, backup_set)
        else:
            _require_reach(database, database.full, backup_set, self.stop_at)


@dataclass
class Finish:
    """rds_finish_restore: recover what waits."""

    instance: Instance
    name: str

    def begin(self, task: Task) -> None:
        """Nothing is read."""

    def proceed(self, task: Task) -> int:
        """Nothing can happen between."""
        return self.instance.switches.percent_per_poll

    def end(self, task: Task) -> None:
        """The database comes ONLINE."""
        database = self.instance.databases.find(self.name)
        if database is None:
            raise TaskFailed(text("no-database").line(database=self.name))
        recover(database)


@dataclass
class Foreign:
    """Another person's backup: holds a slot for some polls, or (None) for good."""

    polls: int | None

    def begin(self, task: Task) -> None:
        """It just runs."""

    def proceed(self, task: Task) -> int:
        """In equal parts."""
        return -(-20 // self.polls) * 5 if self.polls else 0

    def end(self, task: Task) -> None:
        """Nothing of ours changes."""


def recover(database: Database) -> None:
    """ONLINE, and nothing can be rolled forward any more."""
    database.state = "ONLINE"
    database.full = None


def _settle(database: Database, backup_set: BackupSet, instance: Instance) -> None:
    """What a full backup brings along, and what of it stays behind."""
    switches = instance.switches
    database.full = backup_set
    database.recovery_model = switches.source_recovery_model
    # A restored database is untrustworthy whatever it was, unless a test says that RDS does otherwise.
    database.is_trustworthy_on = switches.source_is_trustworthy
    database.damaged = switches.source_is_damaged
    database.contents = switches.source_contents
    database.users = [User(name, b"\x07" * 8 + name.encode()[:8].ljust(8, b"\0")) for name in switches.source_users]


def _require_key(instance: Instance) -> None:
    if instance.switches.kms:
        arn = f"arn:aws:kms:{instance.region}:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
        user = "arn:aws:sts::111122223333:assumed-role/native-backups/RDS"
        raise failed(instance.switches.kms, arn=arn, user=user, action="kms:Decrypt")


def _require_version(instance: Instance, backup_set: BackupSet) -> None:
    theirs, ours = _major(backup_set.version), _major(instance.product_version)
    if theirs > ours:
        versions = {"theirs": backup_set.version, "ours": instance.product_version}
        raise failed("newer-version", command=_RESTORE, **versions)


def _major(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _require_contents(instance: Instance, task: Task, backup_set: BackupSet) -> None:
    switches, name = instance.switches, backup_set.database
    if switches.certificate_missing:
        raise failed("no-certificate", thumbprint=THUMBPRINT)
    if switches.source_has_filestream:
        raise failed("filestream", database=name)
    if switches.same_file_guids:
        raise failed("file-guids", task=task.id, type=task.type, database=task.database)
    if instance.multi_az and {switches.source_recovery_model, backup_set.recovery_model} != {"FULL"}:
        raise failed("recovery-model", database=name)


def _require_full(instance: Instance, name: str, backup_set: BackupSet) -> None:
    if instance.databases.alike(name):
        raise failed("name-taken", database=name)
    if backup_set.kind in "IL":
        raise failed("needs-full", command=_RESTORE, database=name)
    if backup_set.kind != "D":
        raise failed("wrong-object")


def _require_room(instance: Instance, backup_set: BackupSet) -> None:
    needed = sum(file.size for file in backup_set.database_files)
    if instance.edition == "ex" and sum(_data_sizes(backup_set)) > _LICENSED_MEBIBYTES * _MEBIBYTE:
        raise failed("licensed-size", command=_RESTORE, limit=_LICENSED_MEBIBYTES)
    if needed > instance.free_bytes:
        raise failed("no-space", command=_RESTORE, needed=needed, free=instance.free_bytes)


def _data_sizes(backup_set: BackupSet) -> Iterator[int]:
    return (file.size for file in backup_set.database_files if not file.physical_path.lower().endswith(".ldf"))


def _require_base(full: BackupSet, backup_set: BackupSet) -> None:
    if backup_set.database_id != full.database_id or backup_set.base_lsn != full.checkpoint_lsn:
        raise failed("wrong-base", command=_RESTORE)


def _require_reach(database: Database, full: BackupSet, backup_set: BackupSet, stop_at: datetime | None) -> None:
    command = "RESTORE LOG"
    if backup_set.database_id != full.database_id:
        raise failed("other-database", command=command, database=database.name)
    if backup_set.first_lsn > database.reached:
        raise failed("log-gap", command=command, first=backup_set.first_lsn, reached=database.reached)
    if backup_set.last_lsn <= database.reached:
        raise failed("log-too-early", command=command, last=backup_set.last_lsn, reached=database.reached)
    if stop_at and stop_at <= full.begun_at:
        raise failed("stop-too-early", command=command)
