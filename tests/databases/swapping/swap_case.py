"""A database, its restored copy, clients that come all the time, and swap jobs run by the worker's program."""

import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from dbrestore.contract import keys
from dbrestore.contract.job import DatabaseServer, Job, JobKind, SwapResult
from dbrestore.contract.swaps.exchanges import SwapJob
from dbrestore.worker import run_job
from tests.databases.restore_case import EVIDENCE, Cloud, Restore

ROWS = 500
# What a client may be told at the very moment of the exchange: it waited for the name and must ask for it again, or was sent away.
PASSING = ("does not exist", "terminating connection", "server closed the connection unexpectedly", "just been dropped or renamed")


@dataclass
class Case:
    """`bazaar` with rows `old`, and `restored` with rows `new`, which is to take its name."""

    cloud: Cloud
    name: str = "bazaar"
    restored_as: str = "bazaar_new_0123456789ab"
    kept_as: str = "bazaar_old_0123456789ab"
    sessions: str = "end"
    seconds: float = 20
    restored_id: str = ""
    old_id: str = ""

    def make(self) -> "Case":
        """Both databases."""
        for name, word in ((self.name, "old"), (self.restored_as, "new")):
            self.cloud.create_database(name)
            self.cloud.execute(f"CREATE TABLE words AS SELECT '{word}' AS word FROM generate_series(1, {ROWS})", name)
        self.restored_id, self.old_id = self.oid(self.restored_as), self.oid(self.name)
        return self

    def oid(self, name: str) -> str:
        """Of the database of this name."""
        return "".join(row[0] for row in self.cloud.execute(f"SELECT oid::text FROM pg_database WHERE datname = '{name}'"))

    def names(self) -> set[str]:
        """Of all databases that have to do with this."""
        return {name for name in self.cloud.names()[0] if name.startswith(self.name)}

    def swap_job(self, action: str, **changes: object) -> SwapJob:
        """What the control plane asks for: before the first exchange it knows nothing of the old database."""
        values = {
            "action": action,
            "name": self.name,
            "restored_as": self.restored_as,
            "kept_as": self.kept_as,
            "restored_id": self.restored_id,
            "old_id": "" if action == "swap" else self.old_id,
            "sessions": self.sessions,
            "seconds": self.seconds,
        }
        return SwapJob.model_validate(values | changes)

    def job_uri(self, swap: SwapJob, kind: JobKind = "swap") -> str:
        """Write the job's document, in a folder of its own."""
        restore_id = f"r-{uuid.uuid4().hex[:12]}"
        server = DatabaseServer(
            host="localhost",
            port=self.cloud.server.port,
            region="us-east-1",
            secret_arn=self.cloud.secret_arn,
            ca_bundle=f"s3://{EVIDENCE}/certificates/rds-ca.pem",
        )
        job = Job(kind=kind, restore_id=restore_id, server=server, swaps=(swap,))
        key = keys.job_prefix(restore_id, kind) + "job.json"
        self.cloud.s3().put_object(Bucket=EVIDENCE, Key=key, Body=job.to_json().encode())
        return f"s3://{EVIDENCE}/{key}"

    def run(self, action: str, kind: JobKind = "swap", **changes: object) -> SwapResult:
        """One job to its end, in this process."""
        return self.finish(self.job_uri(self.swap_job(action, **changes), kind))

    def finish(self, uri: str) -> SwapResult:
        """Run a job, or what is left of it, to its end."""
        restore = Restore(self.cloud, {}, {})
        with self._environment():
            run_job.run(uri)
        result = restore.result(uri)
        assert result.error is None, result.error
        return result.swaps[0]

    def killed(self, uri: str, line: int) -> int:
        """A run that kills itself before that line; with 0 the number of lines that there are."""
        command = [sys.executable, "-m", "tests.databases.swapping.killed_run", uri, str(line)]
        done = subprocess.run(command, env=self.cloud.environment(), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in (0, -9), done.stderr
        return int(done.stdout or 0)

    @contextmanager
    def _environment(self) -> Iterator[None]:
        import os
        from unittest.mock import patch

        with patch.dict(os.environ, self.cloud.environment(), clear=True):
            yield

    def word(self, name: str) -> str:
        """What a client finds under a name: one word, in every row."""
        rows = self.cloud.execute("SELECT word, count(*) FROM words GROUP BY 1", name)
        assert [count for _, count in rows] == [ROWS]
        return str(rows[0][0])


@dataclass
class Clients:
    """Some that connect to a name and read, again and again, and one that watches how many databases bear it."""

    case: Case
    answers: Counter[str] = field(default_factory=Counter)
    passing: int = 0
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def coming(self, number: int = 3) -> Iterator["Clients"]:
        """While this lasts."""
        over = threading.Event()
        threads = [threading.Thread(target=self._come, args=(over,)) for _ in range(number)]
        threads.append(threading.Thread(target=self._watch, args=(over,)))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def _come(self, over: threading.Event) -> None:
        while not over.is_set():
            try:
                with psycopg.connect(self.case.cloud.dsn(self.case.name, sslmode="disable"), connect_timeout=60) as session:
                    self._note(session.execute("SELECT word, count(*) FROM words GROUP BY 1").fetchall())
                    over.wait(0.01)
            except psycopg.Error as error:
                if not any(words in str(error) for words in PASSING):
                    self.wrong.append(str(error))
                self.passing += 1

    def _note(self, rows: list[tuple]) -> None:
        if len(rows) == 1 and rows[0][1] == ROWS:
            self.answers[rows[0][0]] += 1
        else:
            self.wrong.append(f"not one whole database: {rows}")

    def _watch(self, over: threading.Event) -> None:
        bear = sql.SQL("SELECT count(*) FROM pg_database WHERE datname = {}").format(self.case.name)
        with psycopg.connect(self.case.cloud.dsn(sslmode="disable"), autocommit=True) as session:
            while not over.wait(0.002):
                found = session.execute(bear).fetchone()
                if found != (1,):
                    self.wrong.append(f"{found} databases bear the name")
