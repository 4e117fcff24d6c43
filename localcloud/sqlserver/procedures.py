"""Calls of RDS's procedures: who may call what, and those that make no task.

Invariant: only the master user calls them, and none of them inside a transaction.
"""

from dataclasses import dataclass

from localcloud.sqlserver.databases import Database
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.submissions import Submissions
from localcloud.sqlserver.tasks import Task, Tasks
from localcloud.sqlserver.texts import TASK_STATUS, columns, text
from localcloud.tds.engine import DropConnection, ResultSet, Session, Value
from localcloud.tsql.arguments import PARAMETERS, Arguments, Call, bound, number

Results = tuple[ResultSet, ...]


@dataclass
class Procedures:
    """All of them, on one instance and its tasks."""

    instance: Instance
    tasks: Tasks

    def execute(self, session: Session, call: Call) -> Results:
        """Raises SqlError, DropConnection."""
        if call.procedure not in PARAMETERS:
            raise text("unknown-procedure").error(name=call.procedure)
        self._require_permission(session, call.procedure)
        arguments = bound(call)
        if session.in_transaction:
            raise text("in-transaction").error()
        submissions = Submissions(self.instance, self.tasks)
        if call.procedure in submissions.named():
            return (submissions.submit(call.procedure, session, arguments),)
        return self._run(call.procedure, arguments)

    def status(self, database: str | None, task_id: int | None) -> ResultSet:
        """Two minutes pass, then the tasks as they are. 0 stands for all tasks, as in rds_fn_task_status(NULL, 0)."""
        if self.instance.switches.counted_down("fail_over_at_poll"):
            self.tasks.fail_over()
            raise DropConnection
        self.instance.clock.poll()
        self.tasks.move()
        wanted = [
            task
            for task in self.tasks.all
            if task_id in (None, 0, task.id) and (not database or task.database.casefold() == database.casefold())
        ]
        return ResultSet(columns(TASK_STATUS), [_status_row(task) for task in wanted])

    def _require_permission(self, session: Session, procedure: str) -> None:
        is_master = session.user.casefold() == self.instance.master.name.casefold()
        if not is_master or self.instance.switches.master_is_misaligned:
            raise text("no-permission").error(procedure=procedure)

    def _run(self, procedure: str, arguments: Arguments) -> Results:
        match procedure:
            case "rds_task_status":
                name = arguments.get("db_name")
                return (self.status(None if name is None else str(name), number(arguments.get("task_id"))),)
            case "rds_cancel_task":
                self._cancel(number(arguments["task_id"]) or 0)
            case "sp_delete_database_backuphistory":
                self.instance.history.forget(str(arguments["database_name"]))
            case "rds_drop_database":
                self._drop(self._database(arguments["db_name"]))
            case _:
                self._rename(self._database(arguments["old_name"]), str(arguments["new_name"]))
        return ()

    def _cancel(self, task_id: int) -> None:
        task = self.tasks.find(task_id)
        if task is None:
            raise text("no-task").error(task=task_id)
        if task.type == "FINISH_RESTORE":
            raise text("finish-not-cancellable").error(task=task_id)
        if task.has_ended:
            raise text("task-ended").error(task=task_id)
        self.tasks.cancel(task)

    def _drop(self, database: Database) -> None:
        if database.is_system:
            raise text("name-reserved").error(database=database.name)
        if self.tasks.unfinished(database.name):
            raise text("drop-pending").error(database=database.name)
        self.instance.databases.drop(database)
        # "and removes the database's backup history", says the RDS User Guide.
        self.instance.history.forget(database.name)

    def _rename(self, database: Database, name: str) -> None:
        if self.instance.multi_az:
            raise text("rename-multi-az").error(database=database.name)
        if self.instance.switches.has_read_replica:
            raise text("rename-replica-source").error(database=database.name)
        if database.is_system:
            raise text("name-reserved").error(database=database.name)
        if self.tasks.unfinished(database.name) or self.instance.switches.sessions.get(database.name):
            raise text("not-exclusive").error()
        taken = self.instance.databases.alike(name)
        if taken and taken is not database:
            raise text("name-taken").error(database=name)
        database.name = name

    def _database(self, name: Value) -> Database:
        database = self.instance.databases.find(str(name))
        if database is None:
            raise text("no-database").error(database=name)
        return database


def _status_row(task: Task) -> tuple[Value, ...]:
    return (
        task.id,
        task.type,
        task.database,
        task.percent,
        task.minutes,
        task.lifecycle,
        task.info,
        task.last_updated,
        task.created_at,
        task.arn,
        False,
        task.kms_key_arn,
        None,
        False,
    )
