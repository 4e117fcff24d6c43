"""Processes that count rows say what one process says, or the job ends: none of them is waited for in vain, and none is left behind."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from xxhash import xxh3_128_intdigest

from dbrestore.contract.errors import BackupDamaged, CountingBrokeOff
from dbrestore.points.pgdump.rows.block_count import RowShape, Totals
from dbrestore.points.pgdump.rows.canonical_text import Columns
from dbrestore.points.pgdump.rows.member_rows import MemberRows, Nobody, Tally
from dbrestore.worker.base import limits
from dbrestore.worker.postgresql.dumps import counters, counting
from dbrestore.worker.postgresql.dumps.counters import Counters, CountingProcess

ROOT = Path(__file__).parents[4]
SHAPE = RowShape(Columns(), 7, is_utf8=True)
SOON = 20

# Begins two and says which, then waits to be killed.
ORPHANING = """import time
from contextlib import ExitStack
from dbrestore.worker.postgresql.dumps.counters import CountingProcess
with ExitStack() as begun:
    print(*(begun.enter_context(CountingProcess.begun()).process.pid for _ in range(2)), flush=True)
    time.sleep(60)"""


@pytest.fixture
def two() -> Iterator[Counters]:
    with ExitStack() as begun:
        yield Counters([begun.enter_context(CountingProcess.begun()) for _ in range(2)], SOON)


@pytest.fixture
def one() -> Iterator[Counters]:
    with CountingProcess.begun() as process:
        yield Counters([process], SOON)


def send(others: Counters, sent: signal.Signals) -> None:
    """And see that it has come."""
    process = others.processes[0].process
    process.send_signal(sent)
    wanted = {signal.SIGSTOP: "T", signal.SIGKILL: "Z", signal.SIGCONT: "RS"}[sent]
    eventually(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2][0] in wanted)


def eventually(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def table(rows: int, seed: int, longest: int = 80) -> bytes:
    chance = random.Random(seed)
    return b"".join(b"%d\t%s\n" % (n, b"\xc3\xa9\r" * chance.randrange(longest)) for n in range(rows))


def independent(text: bytes) -> Totals:
    rows = text.split(b"\n")[:-1]
    return Totals(len(rows), sum(row.count(b"\t") for row in rows), sum(xxh3_128_intdigest(row + b"\n", 7) for row in rows) % 2**128)


def member(text: bytes, others: Counters, piece: int = 100_000) -> MemberRows:
    rows = MemberRows(SHAPE, 2, others)
    for begin in range(0, len(text), piece):
        rows.add(text[begin : begin + piece])
    return rows


def test_members_come_to_what_they_are_by_definition_whoever_counts_which_block(two: Counters) -> None:
    texts = [table(9_000, 1), b"", table(1, 2), table(40_000, 3, 9), table(3_000, 4, 500), b"1\t" + b"x" * 5_000_000 + b"\n"]

    read = [member(text, two) for text in texts]

    for rows, text in zip(read, texts, strict=True):
        found, expected = rows.result(), independent(text)
        assert found.content
        assert (found.length, found.rows, int(found.content.total, 16)) == (len(text), expected.rows, expected.hashes)
    assert all(len(process.free) == limits.COUNTING_SLOTS and not process.asked for process in two.processes)


def test_both_take_blocks_and_what_fits_nowhere_is_not_taken(two: Counters) -> None:
    tally = Tally(SHAPE)
    for process in two.processes:
        process.process.send_signal(signal.SIGSTOP)

    taken = [two.take([b"1\t2\n", memoryview(b"3\t4\nxxx")[:4]], tally) for _ in range(2 * limits.COUNTING_SLOTS + 1)]

    assert taken == [True] * 2 * limits.COUNTING_SLOTS + [False]
    assert [len(process.asked) for process in two.processes] == [limits.COUNTING_SLOTS] * 2
    for process in two.processes:
        process.process.send_signal(signal.SIGCONT)
    two.settle(tally)
    each = independent(b"1\t2\n3\t4\n")
    assert (tally.totals.rows, tally.totals.tabs) == (12, 12)
    assert (tally.totals.hashes - 6 * each.hashes) % 2**128 == 0
    assert not two.take([bytes(limits.COUNTING_SLOT + 1)], tally)


@pytest.mark.parametrize(
    ("columns", "kept"),
    [
        (Columns(kept=(1,), times=(1,)), b"2026-01-01 11:00:00+00\n"),
        (Columns(kept=(2,), bytes=(2,)), b"\\\\x61\n"),
        (Columns(times=(1,), bytes=(2,)), b"1\t2026-01-01 11:00:00+00\t\\\\x61\n"),
        (Columns(kept=()), None),
    ],
)
def test_what_is_kept_of_a_row_is_the_same_there(one: Counters, columns: Columns, kept: bytes | None) -> None:
    tally = Tally(RowShape(columns, 9, is_utf8=False))

    assert one.take([b"1\t2026-01-01 12:00:00+01\ta\n"], tally)
    one.settle(tally)

    assert tally.totals == Totals(1, 2, xxh3_128_intdigest(kept, 9) if kept else 0)


def test_damage_that_one_of_them_finds_is_of_the_member_that_it_is_in(one: Counters) -> None:
    good, bad, short = Tally(SHAPE), Tally(SHAPE), Tally(RowShape(Columns(kept=(3,)), 7, is_utf8=False))

    for tally, block in ((good, b"1\n"), (bad, b"\xff\n"), (short, b"1\t2\n")):
        assert one.take([block], tally)
    for tally in (good, bad, short):
        one.settle(tally)

    assert (good.totals.rows, good.damage) == (1, None)
    assert "aren't UTF-8" in str(bad.damage)
    assert "fewer columns" in str(short.damage)
    with pytest.raises(BackupDamaged, match="aren't UTF-8"):
        member(b"1\t2\n3\t\xff\n", one).result()


def test_one_that_is_killed_over_a_block_ends_the_work(one: Counters) -> None:
    send(one, signal.SIGSTOP)
    rows = member(table(20, 1), one)
    send(one, signal.SIGKILL)

    with pytest.raises(CountingBrokeOff, match="SIGKILL"):
        rows.result()


def test_one_that_was_killed_before_it_is_asked_ends_the_work(one: Counters) -> None:
    send(one, signal.SIGKILL)

    with pytest.raises(CountingBrokeOff, match="SIGKILL"):
        member(table(20, 1), one)


def test_one_that_fails_over_a_question_ends_the_work(one: Counters) -> None:
    """Its last words are on the worker's standard error."""
    process = one.processes[0].process
    assert process.stdin
    process.stdin.write(counting.QUESTION.pack(0, 1, 2) + b"{]")
    eventually(lambda: not is_alive(process.pid))

    with pytest.raises(CountingBrokeOff, match="exit code 1"):
        member(table(20, 1), one)


def test_one_that_says_nothing_is_not_waited_for(one: Counters) -> None:
    one.seconds = 0.05
    send(one, signal.SIGSTOP)

    with pytest.raises(CountingBrokeOff, match=r"nothing for 0\.05 seconds"):
        member(table(20, 1), one).result()

    send(one, signal.SIGCONT)


def test_they_end_with_the_process_that_began_them() -> None:
    beginning = [sys.executable, "-c", ORPHANING]
    with subprocess.Popen(beginning, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        begun = [int(word) for word in process.stdout.readline().split()]
        assert all(Path(f"/proc/{one}").exists() for one in begun)
        process.kill()

    assert len(begun) == 2
    eventually(lambda: not any(is_alive(one) for one in begun))


def is_alive(pid: int) -> bool:
    """A zombie isn't: who adopted it may take its time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def test_one_gets_nothing_of_the_environment_and_loads_no_models(one: Counters) -> None:
    os.environ["AWS_SECRET_ACCESS_KEY"] = "not for everybody"  # pragma: allowlist secret
    tally = Tally(SHAPE)
    one.take([b"1\n"], tally)
    one.settle(tally)

    process = Path(f"/proc/{one.processes[0].process.pid}")
    names = {entry.partition("=")[0] for entry in (process / "environ").read_text().split("\0") if entry}
    mapped = (process / "maps").read_text()
    assert names == {"PYTHONPATH"}
    assert "xxhash" in mapped
    assert "pydantic" not in mapped


def test_a_dump_that_is_soon_read_needs_none() -> None:
    with counters.beside(1000, 1001, SOON) as others:
        assert isinstance(others, Nobody)
    if len(os.sched_getaffinity(0)) > 1:
        with counters.beside(1000, 1000, SOON) as others:
            assert isinstance(others, Counters)
