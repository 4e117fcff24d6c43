"""Which databases a restore has begun to ask RDS for, kept in the evidence bucket: RDS's own list of tasks may be lost in a fail-over.

Invariant: the note is there before the first submission, and only after the name was seen free. So without it nothing of that name is
this restore's own; with it, whatever bears the name came after, and may be.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbrestore.contract import keys
from dbrestore.contract.job import Beginning, NativeDatabaseJob
from dbrestore.worker.base.job_folder import Location, exists, read_object, write_document

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Beginnings:
    """Of one restore; all its jobs see the same."""

    s3: "S3Client"
    bucket: str
    restore_id: str

    def note(self, database: NativeDatabaseJob) -> bool:
        """Before the first submission. False if it is noted already: then another submission may have arrived before."""
        if self.has(database):
            return False
        self._write(database, was_refused=False)
        return True

    def withdraw(self, database: NativeDatabaseJob) -> None:
        """RDS refused the only submission at once, so there is no task."""
        self._write(database, was_refused=True)

    def has(self, database: NativeDatabaseJob) -> bool:
        """Whether something was asked for. Raises RestoreFailed if the note can't be read."""
        where = self._where(database)
        return exists(self.s3, where) and not Beginning.from_json(read_object(self.s3, where)).was_refused

    def _write(self, database: NativeDatabaseJob, *, was_refused: bool) -> None:
        beginning = Beginning(asked_name=database.asked_name, was_refused=was_refused)
        write_document(self.s3, self._where(database), beginning)

    def _where(self, database: NativeDatabaseJob) -> Location:
        return Location(self.bucket, keys.beginning_key(self.restore_id, database.key_prefix))
