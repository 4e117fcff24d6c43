"""rds_restore_database, rds_restore_log and rds_finish_restore: what they check at once, and the tasks that they make.

Invariant: a call that is refused made no task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from localcloud.sqlserver import source as sqlserver_source
from localcloud.sqlserver.databases import SYSTEM
from localcloud.sqlserver.instance import Instance
from localcloud.sqlserver.restores import Finish, Kind, Restore
from localcloud.sqlserver.source import Place
from localcloud.sqlserver.tasks import Task, Tasks
from localcloud.sqlserver.texts import SUBMITTED, columns, text
from localcloud.tds.engine import DropConnection, ResultSet, Session
from localcloud.tsql.arguments import Arguments, flag, moment

_TYPES: Final[dict[Kind, str]] = {
    "FULL": "RESTORE_DB",
    "DIFFERENTIAL": "RESTORE_DB_DIFFERENTIAL",
    "LOG": "RESTORE_DB_LOG",
}


@dataclass
class Submissions:
    """The procedures that make a task."""

    instance: Instance
    tasks: Tasks

    def named(self) -> dict[str, Callable[[Session, Arguments], ResultSet]]:
        """By their names."""
        return {
            "rds_restore_database": self._restore_database,
            "rds_restore_log": self._restore_log,
            "rds_finish_restore": self._finish_restore,
        }

    def submit(self, procedure: str, session: Session, arguments: Arguments) -> ResultSet:
        """Raises SqlError; DropConnection before or after the task was made, where a test says so."""
        if self.instance.switches.counted_down("drop_before_submit"):
            raise DropConnection
        if self.instance.backup_restore_option != "in-sync":
            raise text("option-missing").error()
        answer = self.named()[procedure](session, arguments)
        if self.instance.switches.counted_down("drop_after_submit"):
            raise DropConnection
        return answer

    def _restore_database(self, session: Session, arguments: Arguments) -> ResultSet:
        kind = str(arguments.get("type") or "FULL").upper()
        without_recovery = flag(arguments.get("with_norecovery"))
        if kind == "DIFFERENTIAL":
            if arguments.get("with_norecovery") is None:
                raise text("differential-recovery").error()
            return self._restore(session, arguments, "DIFFERENTIAL", not without_recovery)
        if kind != "FULL":
            raise text("type-invalid").error(type=kind)
        if without_recovery and flag(arguments.get("keep_cdc")):
            raise text("cdc-norecovery").error()
        return self._restore(session, arguments, "FULL", not without_recovery)

    def _restore_log(self, session: Session, arguments: Arguments) -> ResultSet:
        given = arguments.get("with_norecovery")
        with_recovery = given is not None and not flag(given)
        return self._restore(session, arguments, "LOG", with_recovery, moment(arguments.get("stopat")))

    def _restore(
        self,
        session: Session,
        arguments: Arguments,
        kind: Kind,
        with_recovery: bool,
        stop_at: datetime | None = None,
    ) -> ResultSet:
        arn = str(arguments["s3_arn_to_restore_from"])
        place = _place(arn)
        name = self._free_name(str(arguments["restore_db_name"]), kind)
        if any(task.recovers for task in self.tasks.unfinished(name)):
            raise text("restore-pending").error(database=name)
        work = Restore(self.instance, name, kind, place, with_recovery, stop_at)
        type_ = _TYPES[kind] + ("" if with_recovery else "_NORECOVERY")
        key = arguments.get("kms_master_key_arn")
        return _row(self.tasks.add(type_, name, arn, work, session.user, None if key is None else str(key)))

    def _finish_restore(self, session: Session, arguments: Arguments) -> ResultSet:
        name = str(arguments["db_name"])
        database = self.instance.databases.find(name)
        if database is None:
            raise text("no-database").error(database=name)
        if self.tasks.unfinished(name):
            raise text("finish-pending").error(database=database.name)
        if database.state != "RESTORING":
            raise text("not-restoring").error(database=database.name)
        work = Finish(self.instance, database.name)
        return _row(self.tasks.add("FINISH_RESTORE", database.name, None, work, session.user))

    def _free_name(self, name: str, kind: Kind) -> str:
        self.instance.admit_intruders("submit")
        if name.casefold() in SYSTEM:
            raise text("name-reserved").error(database=name)
        if kind == "FULL" and self.instance.databases.alike(name):
            raise text("name-taken").error(database=name)
        return name


def _place(arn: str) -> Place:
    if not arn:
        raise text("arn-empty").error()
    place = sqlserver_source.parse(arn)
    if place is None:
        raise text("arn-invalid").error(arn=arn)
    return place


def _row(task: Task) -> ResultSet:
    row = (
        task.id,
        task.type,
        task.lifecycle,
        task.created_at,
        task.last_updated,
        task.database,
        task.arn,
        False,
        task.kms_key_arn,
        task.percent,
        task.info,
    )
    return ResultSet(columns(SUBMITTED), [row])
