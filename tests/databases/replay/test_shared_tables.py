"""A large table is loaded by several sessions: all of it or nothing, whatever happens to one of them."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import psycopg
import pytest

from dbrestore.contract.errors import BackupDamaged, ReplayFailed
from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.manifest import ByteRange, DatabaseBackup, StoredFile, TableMember
from dbrestore.points.pgdump.rows.copy_text import TERMINATOR
from dbrestore.worker.base import limits
from dbrestore.worker.base.bounds import Bounds
from dbrestore.worker.postgresql.rows import loading
from dbrestore.worker.postgresql.rows.loading import Members
from dbrestore.worker.postgresql.rows.sharing import Sharing, end_of_row
from tests.databases.restore_case import REPOSITORY, Cloud, Restore

DATABASE, KEY = "shared_tables", "shared/rows.dat"
STATEMENT = b"COPY lines FROM STDIN"
# Twelve pieces of the reader's.
ROWS = 120_000
LINE = b"%d\t" + b"x" * 96 + b"\n"


@dataclass
class Loading:
    """One member in the bucket, an empty table, and what became of the two sessions that loaded it."""

    cloud: Cloud
    text: bytes
    rows: int
    sha256: str = ""
    error: BaseException | None = None
    sessions: list[psycopg.Connection[tuple[object, ...]]] = field(default_factory=list)
    on_bytes: threading.Event = field(default_factory=threading.Event)

    @property
    def members(self) -> Members:
        """As they stand in a manifest."""
        file = StoredFile(key=KEY, length=len(self.stored), sha256="")
        backup = DatabaseBackup(
            name=DATABASE,
            files=(file,),
            format="directory",
            compression="none",
            archive_version="1.16",
            server_version="17",
            dump_version="17",
            dumped_at=datetime(2026, 1, 1, tzinfo=UTC),
            encoding="UTF8",
            collate="C",
            ctype="C",
            owner="",
            owners=(),
            extensions=(),
            object_counts={},
            toc=self.range,
            tables=(),
            large_objects=(),
        )
        return Members(self.cloud.s3(), REPOSITORY, backup)

    @property
    def stored(self) -> bytes:
        """The file of a directory dump."""
        return self.text + TERMINATOR

    @property
    def range(self) -> ByteRange:
        """The whole file."""
        sha256 = self.sha256 or hashlib.sha256(self.stored).hexdigest()
        return ByteRange(file=0, offset=0, length=len(self.stored), sha256=sha256)

    def run(self) -> None:
        """Load it by one session that leads and one that helps."""
        self.cloud.s3().put_object(Bucket=REPOSITORY, Key=KEY, Body=self.stored)
        member = TableMember(
            dump_id=1, schema_name="public", table="lines", stored=self.range, uncompressed_length=len(self.text), rows=self.rows
        )
        sharing, (leader, helper) = Sharing(), self.sessions
        helping = threading.Thread(target=sharing.help, args=(helper,))
        helping.start()
        try:
            loading.load_table(leader, self.members, member, STATEMENT, lambda _: self.on_bytes.set(), sharing)
        except (BackupDamaged, ReplayFailed) as error:
            self.error = error
        helping.join(30)
        assert not helping.is_alive()

    def found(self) -> tuple[object, ...]:
        """Rows, and how many transactions they came in."""
        [row] = self.cloud.execute("SELECT count(*), count(DISTINCT xmin::text) FROM lines", DATABASE)
        return row


@pytest.fixture
def database(cloud: Cloud) -> Iterator[Cloud]:
    """With an empty table."""
    cloud.create_database(DATABASE)
    cloud.execute("CREATE TABLE lines (number text, filling text)", DATABASE)
    yield cloud
    cloud.drop_database(DATABASE)


@contextmanager
def loaded(cloud: Cloud, text: bytes, rows: int, sha256: str = "") -> Iterator[Loading]:
    """With two sessions."""
    dsn = cloud.dsn(DATABASE)
    with psycopg.connect(dsn, autocommit=True) as leader, psycopg.connect(dsn, autocommit=True) as helper:
        yield Loading(cloud, text, rows, sha256, sessions=[leader, helper])


def test_both_load_and_nothing_is_lost_between_them(database: Cloud) -> None:
    with loaded(database, b"".join(LINE % n for n in range(ROWS)), ROWS) as loading_:
        loading_.run()

    assert loading_.error is None
    assert loading_.found() == (ROWS, 2)
    assert database.execute("SELECT count(DISTINCT number) FROM lines WHERE length(filling) = 96", DATABASE) == [(ROWS,)]


def test_a_digest_that_is_wrong_leaves_no_row_of_either(database: Cloud) -> None:
    with loaded(database, b"".join(LINE % n for n in range(ROWS)), ROWS, sha256="0" * 64) as loading_:
        loading_.run()

    assert isinstance(loading_.error, BackupDamaged)
    assert "SHA-256" in str(loading_.error)
    assert loading_.found() == (0, 0)


@pytest.mark.parametrize("at", [0, ROWS // 2, ROWS - 1])
def test_a_row_that_the_server_refuses_leaves_no_row_of_either(database: Cloud, at: int) -> None:
    lines = [LINE % n for n in range(ROWS)]
    lines[at] = b"a\tb\tc\n"
    with loaded(database, b"".join(lines), ROWS) as loading_:
        loading_.run()

    assert isinstance(loading_.error, ReplayFailed)
    assert "extra data after last expected column" in str(loading_.error)
    assert loading_.found() == (0, 0)


def test_a_row_too_few_leaves_no_row_of_either(database: Cloud) -> None:
    with loaded(database, b"".join(LINE % n for n in range(ROWS)), ROWS + 1) as loading_:
        loading_.run()

    assert str(ROWS + 1) in str(loading_.error)
    assert loading_.found() == (0, 0)


def test_rows_longer_than_a_piece_stay_whole(database: Cloud) -> None:
    long = [b"%d\t" % n + b"y" * (5 << 20) + b"\n" if n % 20_000 == 7 else LINE % n for n in range(ROWS)]
    with loaded(database, b"".join(long), ROWS) as loading_:
        loading_.run()

    assert loading_.error is None
    assert loading_.found()[0] == ROWS
    lengths = database.execute("SELECT length(filling), count(*) FROM lines GROUP BY 1 ORDER BY 1", DATABASE)
    assert lengths == [(96, ROWS - 6), (5 << 20, 6)]


def test_a_line_end_behind_a_backslash_ends_no_row(database: Cloud) -> None:
    lines = [b"%d\tfirst\\\nsecond" % n + b"z" * 80 + b"\n" for n in range(ROWS)]
    with loaded(database, b"".join(lines), ROWS) as loading_:
        loading_.run()

    assert loading_.error is None
    same = "SELECT count(*) FROM lines WHERE filling = E'first\\nsecond' || repeat('z', 80)"
    assert database.execute(same, DATABASE) == [(ROWS,)]


@pytest.mark.parametrize("which", [0, 1], ids=["the one that leads", "the one that helps"])
def test_a_session_that_is_ended_leaves_no_row_of_either(database: Cloud, which: int) -> None:
    database.execute("ALTER TABLE lines ADD CHECK (number <> '60000' OR pg_sleep(5) IS NULL)", DATABASE)
    with loaded(database, b"".join(LINE % n for n in range(ROWS)), ROWS) as loading_:
        pid = loading_.sessions[which].info.backend_pid

        def end() -> None:
            loading_.on_bytes.wait(30)
            database.execute(f"SELECT pg_terminate_backend({pid})", superuser=True)

        ending = threading.Thread(target=end)
        ending.start()
        loading_.run()
        ending.join()

    assert isinstance(loading_.error, ReplayFailed)
    assert loading_.found() == (0, 0)


def test_what_is_repeated_is_loaded_by_one(database: Cloud) -> None:
    with loaded(database, b"".join(LINE % n for n in range(ROWS)), ROWS) as loading_:
        sharing = Sharing()
        with pytest.raises(ZeroDivisionError), sharing.lead(lambda *_: (0, 0), iter(())):
            raise ZeroDivisionError
        rows = iter([b"1\tx\n", b"2\ty\n"])
        with sharing.lead(lambda *_: (0, 0), rows):
            sharing.help(loading_.sessions[1])

            assert list(filter(None, sharing.pieces(rows))) == [b"1\tx\n", b"2\ty\n"]
            assert sharing.taken_by_others() == (0, 0)


@pytest.mark.parametrize(
    ("piece", "end"),
    [(b"a\nb\nc", 4), (b"a\nb\n", 4), (b"abc", 0), (b"a\\\n", 0), (b"a\nb\\\nc", 2), (b"\n", 0), (b"a\n\\\n\\\n", 2), (b"", 0)],
)
def test_where_the_last_whole_row_ends(piece: bytes, end: int) -> None:
    assert end_of_row(piece) == end


def test_a_restore_shares_its_large_table_and_no_other(cloud: Cloud) -> None:
    cloud.create_database("shared_source")
    cloud.execute(
        "CREATE TABLE large (id int PRIMARY KEY, body text); INSERT INTO large SELECT i, repeat(md5(i::text), 30)"
        " FROM generate_series(1, 40000) i; CREATE TABLE little (id int); INSERT INTO little SELECT generate_series(1, 9)",
        "shared_source",
    )
    dumps, asked = {"shared_source": cloud.dump("shared_source")}, {"shared_source": "shared_back"}
    restore = replace(Restore(cloud, dumps, asked, postgres=PostgresOptions(verify="content")), bounds=Bounds())
    assert limits.SHARED_MEMBER < 40_000 * 900
    restore.add_point()
    try:
        (database,) = restore.run_all().databases

        assert (database.status, database.error) == ("PROMOTED", None)
        transactions = "SELECT (SELECT count(DISTINCT xmin::text) FROM large), (SELECT count(DISTINCT xmin::text) FROM little)"
        assert cloud.execute(transactions, "shared_back", superuser=True) == [(2, 1)]
    finally:
        for name in ("shared_source", "shared_back"):
            cloud.drop_database(name)
