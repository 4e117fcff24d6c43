"""The job's documents in S3: job.json is read, progress.json and result.json are written beside it.

Invariant: result.json is written once; where it exists the job is over and nothing is done again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from dbrestore.contract import keys
from dbrestore.contract.document import Document
from dbrestore.contract.errors import RestoreFailed
from dbrestore.contract.job import DatabaseResult, Job, Progress, Result
from dbrestore.contract.manifest import DatabaseBackup, Manifest
from dbrestore.points import manifest_reading

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Location:
    """`s3://<bucket>/<key>`."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read the URI. Raises RestoreFailed for anything else."""
        parts = urlsplit(uri)
        if parts.scheme != "s3" or not parts.netloc or parts.path in ("", "/"):
            raise RestoreFailed(f"{uri} isn't an s3://<bucket>/<key> URI")
        return cls(parts.netloc, uri.removeprefix("s3://").partition("/")[2])


@dataclass(frozen=True)
class JobFolder:
    """The folder that holds one job's documents."""

    s3: "S3Client"
    bucket: str
    prefix: str

    @classmethod
    def of(cls, s3: "S3Client", job_uri: str) -> Self:
        """The folder of `s3://bucket/restores/<restore id>/jobs/<name>/job.json`."""
        where = Location.parse(job_uri)
        return cls(s3, where.bucket, where.key.rpartition("/")[0] + "/")

    def job(self) -> Job:
        """What is to be done."""
        return Job.from_json(self._read("job.json"))

    def other(self, name: str) -> "JobFolder":
        """That of another job of the same restore."""
        return JobFolder(self.s3, self.bucket, f"{self.prefix.partition('/jobs/')[0]}/jobs/{keys.segment(name)}/")

    @property
    def job_uri(self) -> str:
        """Of job.json."""
        return f"s3://{self.bucket}/{self.prefix}job.json"

    def has_job(self) -> bool:
        """Whether anybody has written it."""
        return self._exists("job.json")

    def has_result(self) -> bool:
        """Whether the job is over."""
        return self._exists("result.json")

    def write_result(self, result: Result) -> None:
        """The last thing a job does."""
        self._write("result.json", result)

    def write_progress(self, progress: Progress) -> None:
        """Overwrites the previous one."""
        self._write("progress.json", progress)

    def note_login(self) -> None:
        """Write down, for all jobs of the restore, that a worker has a session with the server: from now on something may be there."""
        where = self._login()
        self.s3.put_object(Bucket=where.bucket, Key=where.key, Body=b"{}")

    def has_logged_in(self) -> bool:
        """Whether a worker of this restore ever had a session. Yes, as long as S3 doesn't say no."""
        try:
            return exists(self.s3, self._login())
        except (BotoCoreError, ClientError):
            return True

    def _login(self) -> Location:
        return Location(self.bucket, f"{self.prefix.partition('/jobs/')[0]}/logged-in.json")

    def promoted(self, temporary_name: str) -> DatabaseResult | None:
        """The result of a database that this job has already renamed, if it died after that."""
        key = _promoted(temporary_name)
        return DatabaseResult.from_json(self._read(key)) if self._exists(key) else None

    def write_promoted(self, result: DatabaseResult) -> None:
        """Keep the result of a database whose rename is committed, before its traces on the server go."""
        self._write(_promoted(result.temporary_name), result)

    def checked(self, temporary_name: str) -> DatabaseResult | None:
        """The result of a database that was found whole by this restore, whatever became of the run that found it so."""
        where = self._checked(temporary_name)
        return DatabaseResult.from_json(read_object(self.s3, where)) if exists(self.s3, where) else None

    def write_checked(self, result: DatabaseResult) -> None:
        """Keep that a database is whole before its objects change hands: from then on nobody reads it with the rights of another."""
        write_document(self.s3, self._checked(result.temporary_name), result)

    def _checked(self, temporary_name: str) -> Location:
        return Location(self.bucket, f"{self.prefix.partition('/jobs/')[0]}/checked/{temporary_name}.json")

    def read_backup(self, number: int) -> DatabaseBackup | None:
        """What a job of this restore found of the n-th dump, if it got so far."""
        where = self._backup(number)
        return DatabaseBackup.from_json(read_object(self.s3, where)) if exists(self.s3, where) else None

    def write_backup(self, number: int, backup: DatabaseBackup) -> None:
        """Keep what was found, for the manifest and for a job that carries on."""
        write_document(self.s3, self._backup(number), backup)

    def _backup(self, number: int) -> Location:
        return Location(self.bucket, f"{self.prefix.partition('/jobs/')[0]}/backups/{number}.json")

    def left_out(self, temporary_name: str) -> bytes | None:
        """The replay's record of what it left out of a database, if it wrote one."""
        where = self._left_out(temporary_name)
        return read_object(self.s3, where) if exists(self.s3, where) else None

    def write_left_out(self, temporary_name: str, record: Document) -> None:
        """Keep it for the job that verifies, which has a folder of its own."""
        write_document(self.s3, self._left_out(temporary_name), record)

    def _left_out(self, temporary_name: str) -> Location:
        return Location(self.bucket, f"{self.prefix.partition('/jobs/')[0]}/left-out/{temporary_name}.json")

    def _read(self, name: str) -> bytes:
        return read_object(self.s3, Location(self.bucket, self.prefix + name))

    def _write(self, name: str, document: Document) -> None:
        write_document(self.s3, Location(self.bucket, self.prefix + name), document)

    def _exists(self, name: str) -> bool:
        return exists(self.s3, Location(self.bucket, self.prefix + name))


def write_document(s3: "S3Client", where: Location, document: Document) -> None:
    """Whole, over what was there."""
    s3.put_object(Bucket=where.bucket, Key=where.key, Body=document.to_json().encode(), ContentType="application/json")


def exists(s3: "S3Client", where: Location) -> bool:
    """Whether there is an object of exactly this key."""
    found = s3.list_objects_v2(Bucket=where.bucket, Prefix=where.key, MaxKeys=1)
    return any(item["Key"] == where.key for item in found.get("Contents", []))


def read_object(s3: "S3Client", where: Location) -> bytes:
    """A small object, whole. Raises RestoreFailed if there is none."""
    try:
        return s3.get_object(Bucket=where.bucket, Key=where.key)["Body"].read()
    except ClientError as error:
        raise RestoreFailed(f"s3://{where.bucket}/{where.key} can't be read: {error}") from error


def read_manifest(s3: "S3Client", job: Job) -> Manifest:
    """The manifest of the job's restore point. Raises BackupDamaged if it isn't whole or isn't the one that was planned with, RestoreFailed
    if there is none."""
    if job.manifest is None:
        raise RestoreFailed(f"a {job.kind} job must name its manifest")
    where = Location.parse(job.manifest)
    try:
        return manifest_reading.fetch(s3, where.bucket, where.key, job.manifest_sha256).manifest
    except ClientError as error:
        raise RestoreFailed(f"{job.manifest} can't be read: {error}") from error


def _promoted(temporary_name: str) -> str:
    return f"promoted/{temporary_name}.json"
