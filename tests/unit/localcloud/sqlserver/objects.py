"""Objects in memory as RDS reads them, and a simulated server that reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from localcloud.sqlserver.engine import SqlServerEngine
from localcloud.sqlserver.source import AccessDenied, NoSuchBucket, NoSuchKey, OtherRegion
from localcloud.tds.engine import Message, ResultSet, Session, SqlError, Value

SAMPLES = Path(__file__).parents[5] / "shared" / "data" / "bak"
BUCKET = "staging"
START = datetime(2026, 1, 2, 3, 4, 5)
MASTER = "admin"
PASSWORD = "correct horse"


@dataclass
class Objects:
    """One bucket. `refused` and `elsewhere` are what its policy and its Region do."""

    content: dict[str, bytes] = field(default_factory=dict)
    refused: bool = False
    elsewhere: bool = False
    reads: list[tuple[str, int, int]] = field(default_factory=list)

    def keys(self, bucket: str, prefix: str) -> Sequence[str]:
        if bucket != BUCKET:
            raise NoSuchBucket
        if self.elsewhere:
            raise OtherRegion
        if self.refused:
            raise AccessDenied
        return sorted(key for key in self.content if key.startswith(prefix))

    def length(self, bucket: str, key: str) -> int:
        if key not in self.content:
            raise NoSuchKey
        return len(self.content[key])

    def read(self, bucket: str, key: str, offset: int, count: int) -> bytes:
        self.reads.append((key, offset, count))
        return self.content[key][offset : offset + count]


def arn(key: str) -> str:
    return f"arn:aws:s3:::{BUCKET}/{key}"


class Server:
    """An engine, its bucket and one session of the master user."""

    def __init__(self, objects: Mapping[str, bytes] | None = None, **settings: Any) -> None:
        self.s3 = Objects(dict(objects or {}))
        given = {"master_user": MASTER, "master_password": PASSWORD, "s3": self.s3, "now": START, **settings}
        self.engine = SqlServerEngine(**given)
        self.session: Session = self.engine.login(MASTER, PASSWORD, "master")

    def results(self, text: str, **parameters: Value) -> list[ResultSet | Message]:
        """What a batch returned; the first error is raised."""
        results = self.engine.execute(self.session, text, {f"@{name}": given for name, given in parameters.items()})
        for one in results:
            if isinstance(one, SqlError):
                raise one
        return [one for one in results if not isinstance(one, SqlError)]

    def messages(self, text: str, **parameters: Value) -> list[str]:
        """What a batch printed."""
        return [one.text for one in self.results(text, **parameters) if isinstance(one, Message)]

    def rows(self, text: str, **parameters: Value) -> list[dict[str, Value]]:
        """Rows of the last result set; parameters without @."""
        results = self.results(text, **parameters)
        sets = [one for one in results if isinstance(one, ResultSet)]
        return [dict(zip((column.name for column in sets[-1].columns), row, strict=True)) for row in sets[-1].rows] if sets else []

    def restore(self, name: str, key: str, **arguments: Value) -> int:
        """Submit; the task's id."""
        return self._submit("rds_restore_database", name, key, arguments)

    def restore_log(self, name: str, key: str, **arguments: Value) -> int:
        """Submit a log; the task's id."""
        return self._submit("rds_restore_log", name, key, arguments)

    def polled(self, task_id: int, polls: int = 30) -> dict[str, Value]:
        """The task's row when it has ended, or after so many polls."""
        row: dict[str, Value] = {}
        for _ in range(polls):
            [row] = self.rows("exec msdb.dbo.rds_task_status @task_id=@P1", P1=task_id)
            if row["lifecycle"] in ("SUCCESS", "ERROR", "CANCELLED"):
                break
        return row

    def _submit(self, procedure: str, name: str, key: str, arguments: Mapping[str, Value]) -> int:
        given = {"restore_db_name": name, "s3_arn_to_restore_from": arn(key), **arguments}
        call = ", ".join(f"@{one}=@{one}" for one in given)
        [row] = self.rows(f"exec msdb.dbo.{procedure} {call}", **given)
        task_id = row["task_id"]
        assert isinstance(task_id, int)
        return task_id
