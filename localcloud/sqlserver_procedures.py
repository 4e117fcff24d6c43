"""The procedures of RDS: what they check at once, and the tasks that they make.

Invariant: a call that is refused made no task.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from localcloud import sqlserver_source
from localcloud.sqlserver_databases import SYSTEM, Database
from localcloud.sqlserver_instance import Instance
from localcloud.sqlserver_restores import Finish, Kind, Restore
from localcloud.sqlserver_statements import Execute
from localcloud.sqlserver_tasks import Task, Tasks
from localcloud.sqlserver_texts import SUBMITTED, TASK_STATUS, columns, text
from localcloud.tds_engine import DropConnection, Message, ResultSet, Session, Value

Arguments = Mapping[str, Value]
Results = tuple[ResultSet | Message, ...]

_OPTIONS: Final = ("block_size", "max_transfer_size", "buffer_count")
# In the order of the documentation; the first so many are required.
PARAMETERS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "rds_restore_database": (2, (
        "restore_db_name", "s3_arn_to_restore_from", "with_norecovery", "keep_cdc", "data_file_volume", "log_file_volume",
        "kms_master_key_arn", *_OPTIONS, "type",
    )),
    "rds_restore_log": (2, (
        "restore_db_name", "s3_arn_to_restore_from", "kms_master_key_arn", "with_norecovery", "keep_cdc", "stopat", *_OPTIONS,
    )),
    "rds_finish_restore": (1, ("db_name",)),
    "rds_cancel_task": (1, ("task_id",)),
    "rds_drop_database": (1, ("db_name",)),
    "rds_task_status": (0, ("db_name", "task_id")),
    "rds_modify_db_name": (2, ("old_name", "new_name")),
}  # fmt: skip
SUBMITS: Final = frozenset({"rds_restore_database", "rds_restore_log", "rds_finish_restore"})


@dataclass
class Procedures:
    """All of them, on one instance and its tasks."""

    instance: Instance
    tasks: Tasks

    def execute(self, session: Session, call: Execute) -> Results:
        """Raises SqlError, DropConnection."""
        handler = self._handlers().get(call.procedure)
        if handler is None:
            raise text("unknown-procedure").error(name=call.procedure)
        arguments = _bound(call)
        self._require_permission(session, call.procedure)
        if session.in_transaction:
            raise text("in-transaction").error()
        if call.procedure not in SUBMITS:
            return handler(session, arguments)
        return self._submit(handler, session, arguments)

    def status(self, database: str | None, task_id: int | None) -> ResultSet:
        """Two minutes pass, then the tasks as they are."""
        self.instance.clock.poll()
        self.tasks.move()
        wanted = [
            task for task in self.tasks.all
            if task_id in (None, 0, task.id) and (not database or task.database.casefold() == database.casefold())
        ]  # fmt: skip
        return ResultSet(columns(TASK_STATUS), [_status_row(task) for task in wanted])

    def _handlers(self) -> dict[str, Callable[[Session, Arguments], Results]]:
        return {
            "rds_restore_database": self._restore_database,
            "rds_restore_log": self._restore_log,
            "rds_finish_restore": self._finish_restore,
            "rds_cancel_task": self._cancel_task,
            "rds_drop_database": self._drop_database,
            "rds_task_status": self._task_status,
            "rds_modify_db_name": self._modify_db_name,
        }

    def _require_permission(self, session: Session, procedure: str) -> None:
        is_master = session.user.casefold() == self.instance.master.name.casefold()
        if not is_master or self.instance.switches.master_is_misaligned:
            raise text("no-permission").error(procedure=procedure)

    def _submit(
        self, handler: Callable[[Session, Arguments], Results], session: Session, arguments: Arguments
    ) -> Results:
        if self.instance.switches.counted_down("drop_before_submit"):
            raise DropConnection
        results = handler(session, arguments)
        if self.instance.switches.counted_down("drop_after_submit"):
            raise DropConnection
        return results

    def _restore_database(self, session: Session, arguments: Arguments) -> Results:
        kind = str(arguments.get("type") or "FULL").upper()
        if kind not in ("FULL", "DIFFERENTIAL"):
            raise text("type-invalid").error(type=kind)
        given = arguments.get("with_norecovery")
        if kind == "DIFFERENTIAL" and given is None:
            raise text("differential-recovery").error()
        if kind == "FULL" and _flag(given) and _flag(arguments.get("keep_cdc")):
            raise text("cdc-norecovery").error()
        name = self._require_name(arguments, is_new=kind == "FULL")
        return self._restore(session, arguments, name, "FULL" if kind == "FULL" else "DIFFERENTIAL", not _flag(given))

    def _restore_log(self, session: Session, arguments: Arguments) -> Results:
        given = arguments.get("with_norecovery")
        name = self._require_name(arguments, is_new=False)
        with_recovery = given is not None and not _flag(given)
        return self._restore(session, arguments, name, "LOG", with_recovery, _moment(arguments.get("stopat")))

    def _restore(
        self,
        session: Session,
        arguments: Arguments,
        name: str,
        kind: Kind,
        with_recovery: bool,
        stop_at: datetime | None = None,
    ) -> Results:
        arn = str(arguments.get("s3_arn_to_restore_from") or "")
        if not arn:
            raise text("arn-empty").error()
        place = sqlserver_source.parse(arn)
        if place is None:
            raise text("arn-invalid").error(arn=arn)
        if any(task.recovers for task in self.tasks.unfinished(name)):
            raise text("restore-pending").error(database=name)
        work = Restore(self.instance, name, kind, place, with_recovery, stop_at)
        type_ = _TYPES[kind] + ("" if with_recovery else "_NORECOVERY")
        key = arguments.get("kms_master_key_arn")
        return _submitted(self.tasks.add(type_, name, arn, work, session.user, None if key is None else str(key)))

    def _finish_restore(self, session: Session, arguments: Arguments) -> Results:
        self._require_option()
        database = self._require_database(arguments)
        if database.state != "RESTORING":
            raise text("not-restoring").error(database=database.name)
        if self.tasks.unfinished(database.name):
            raise text("finish-pending").error(database=database.name)
        work = Finish(self.instance, database.name)
        return _submitted(self.tasks.add("FINISH_RESTORE", database.name, None, work, session.user))

    def _cancel_task(self, session: Session, arguments: Arguments) -> Results:
        number = _number(arguments["task_id"]) or 0
        task = self.tasks.find(number)
        if task is None:
            raise text("no-task").error(task=number)
        if task.type == "FINISH_RESTORE":
            raise text("finish-not-cancellable").error(task=number)
        if task.has_ended:
            raise text("task-ended").error(task=number)
        self.tasks.cancel(task)
        return ()

    def _drop_database(self, session: Session, arguments: Arguments) -> Results:
        database = self._require_database(arguments)
        if database.is_system:
            raise text("name-reserved").error(database=database.name)
        if self.tasks.unfinished(database.name):
            raise text("drop-pending").error(database=database.name)
        self.instance.databases.drop(database)
        return ()

    def _task_status(self, session: Session, arguments: Arguments) -> Results:
        name = arguments.get("db_name")
        return (self.status(None if name is None else str(name), _number(arguments.get("task_id"))),)

    def _modify_db_name(self, session: Session, arguments: Arguments) -> Results:
        database = self._require_database({"db_name": arguments["old_name"]})
        if self.instance.multi_az:
            raise text("rename-multi-az").error(database=database.name)
        name = str(arguments["new_name"])
        taken = self.instance.databases.alike(name)
        if taken and taken is not database:
            raise text("name-taken").error(database=name)
        database.name = name
        return ()

    def _require_option(self) -> None:
        if self.instance.backup_restore_option != "in-sync":
            raise text("option-missing").error()

    def _require_name(self, arguments: Arguments, *, is_new: bool) -> str:
        self._require_option()
        name = str(arguments["restore_db_name"])
        intruders = self.instance.switches.intruders
        for one in [one for one in intruders if one.before == "submit"]:
            intruders.remove(one)
            self.instance.create_database(one.name)
        if name.casefold() in SYSTEM:
            raise text("name-reserved").error(database=name)
        if is_new and self.instance.databases.alike(name):
            raise text("name-taken").error(database=name)
        return name

    def _require_database(self, arguments: Arguments) -> Database:
        name = str(arguments["db_name"])
        database = self.instance.databases.find(name)
        if database is None:
            raise text("no-database").error(database=name)
        return database


_TYPES: Final[dict[Kind, str]] = {
    "FULL": "RESTORE_DB",
    "DIFFERENTIAL": "RESTORE_DB_DIFFERENTIAL",
    "LOG": "RESTORE_DB_LOG",
}


def _bound(call: Execute) -> dict[str, Value]:
    required, names = PARAMETERS[call.procedure]
    if len(call.positional) > len(names):
        raise text("too-many-arguments").error(procedure=call.procedure)
    bound = dict(zip(names, call.positional, strict=False))
    for name, given in call.named.items():
        if name not in names:
            raise text("unknown-parameter").error(parameter=f"@{name}", procedure=call.procedure)
        bound[name] = given
    for name in names[:required]:
        if bound.get(name) is None:
            raise text("parameter-missing").error(procedure=call.procedure, parameter=f"@{name}")
    return bound


def _flag(given: Value) -> bool:
    return bool(_number(given))


def _number(given: Value) -> int | None:
    if given is None:
        return None
    try:
        return int(given)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise text("not-a-number").error(type="int") from error


def _moment(given: Value) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given
    try:
        return datetime.fromisoformat(str(given))
    except ValueError as error:
        raise text("not-a-number").error(type="datetime") from error


def _submitted(task: Task) -> Results:
    row = (
        task.id, task.type, task.lifecycle, task.created_at, task.last_updated, task.database, task.arn, False, task.kms_key_arn,
        task.percent, task.info,
    )  # fmt: skip
    return (ResultSet(columns(SUBMITTED), [row]),)


def _status_row(task: Task) -> tuple[Value, ...]:
    return (
        task.id, task.type, task.database, task.percent, task.minutes, task.lifecycle, task.info, task.last_updated, task.created_at,
        task.arn, False, task.kms_key_arn, None, False,
    )  # fmt: skip
