"""SQL Server at the worker's border: names of databases, and which key prefixes RDS still has unfinished tasks of."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.job import Absence, DatabaseResult, DatabaseStatus, ErrorNote, Job, NativeDatabaseJob, Result

ANOTHERS = "a database of this name is there that this restore did not make"


@dataclass
class NativeServer:
    """`databases` are what stands in the server, `makers` the key prefixes of the tasks that made them. `tasks` are the key prefixes of
    tasks that aren't over, `failing` errors by `STATUS asked_name`, `answers` what a verification is answered, by the asked name."""

    databases: set[str]
    failing: dict[str, ErrorNote]
    makers: dict[str, str] = field(default_factory=dict)
    tasks: set[str] = field(default_factory=set)
    answers: dict[str, tuple[CheckAnswer, ...]] = field(default_factory=dict)

    def do(self, job: Job) -> Result:
        """A whole job."""
        work = {"restore": self._restore, "verify": self._verify, "discard": self._discard}[job.kind]
        return Result(
            kind=job.kind,
            restore_id=job.restore_id,
            databases=tuple(work(database) for database in job.native_databases),
            absences=tuple(self._absences(job)),
        )

    def begin(self, databases: Iterable[NativeDatabaseJob]) -> None:
        """RDS works on the first task of each and goes on by itself: the databases stand there, RESTORING."""
        for database in databases:
            self.databases.add(database.asked_name)
            self.makers[database.asked_name] = database.key_prefix
            self.tasks.add(database.key_prefix)

    def _restore(self, database: NativeDatabaseJob) -> DatabaseResult:
        if database.asked_name in self.databases and not self._is_ours(database):
            return _result(database, "FAILED", ErrorNote(name="DatabaseExists", message=f"{database.asked_name} is there"))
        self.begin([database])
        self.tasks.discard(database.key_prefix)
        return self._told(database, "RESTORED")

    def _verify(self, database: NativeDatabaseJob) -> DatabaseResult:
        assert database.asked_name in self.databases
        told = self._told(database, "PROMOTED")
        return told.model_copy(update={"answers": self.answers.get(database.asked_name, ())}) if told.status == "PROMOTED" else told

    def _discard(self, database: NativeDatabaseJob) -> DatabaseResult:
        self.tasks.discard(database.key_prefix)
        if self._is_ours(database):
            self.databases.discard(database.asked_name)
        return self._told(database, "DISCARDED")

    def _told(self, database: NativeDatabaseJob, status: DatabaseStatus) -> DatabaseResult:
        error = self.failing.get(f"{status} {database.asked_name}")
        return _result(database, "FAILED" if error else status, error)

    def _absences(self, job: Job) -> Iterable[Absence]:
        for database in job.native_databases:
            absent = database.key_prefix not in self.tasks
            yield Absence(kind="native-task", name=database.key_prefix, seen_absent=absent)
            stands = database.asked_name in self.databases
            anothers = stands and not self._is_ours(database)
            yield Absence(
                kind="database",
                name=database.asked_name,
                seen_absent=anothers or not stands,
                note=ANOTHERS if anothers else None,
            )

    def _is_ours(self, database: NativeDatabaseJob) -> bool:
        return self.makers.get(database.asked_name) == database.key_prefix


def _result(database: NativeDatabaseJob, status: DatabaseStatus, error: ErrorNote | None) -> DatabaseResult:
    return DatabaseResult(
        backup_name=database.backup_name,
        asked_name=database.asked_name,
        temporary_name=database.asked_name,
        status=status,
        error=error,
        bytes=30,
    )
