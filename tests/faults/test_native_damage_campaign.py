"""Damage of every kind, many times, in synthetic backups and in the real ones where they are at hand; and thousands of mutated files."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.backups.files import PAGE, Written, backup, compressed
from tests.unit.points.sqlserver.damages import (
    complaint,
    flipped,
    header_of,
    overwritten,
    pages,
    stripe,
    swapped,
    without_checksum,
)
from tests.unit.points.sqlserver.test_samples import SAMPLES

FLIPS, ROUNDS = 1000, 100
BIG = Written(pages=8_000, free=16)
# Percent found at least of flips, swaps, noise of 8 KiB, cuts of 64 KiB. What isn't: padding, the log and free pages of a plain backup, in
# a small compressed one what stands between its records. Two free pages that changed places are no damage.
LEAST = {"with checksum": (99, 99, 99, 100), "compressed": (99, 0, 99, 100), "plain": (65, 90, 75, 100)}
# MiB
MOST_MEMORY = 128

pytestmark = pytest.mark.slow


def synthetic() -> dict[str, tuple[str, bytes]]:
    return {
        "synthetic with checksum": ("with checksum", backup(BIG)),
        "synthetic compressed": ("compressed", compressed(BIG)),
        "synthetic plain": ("plain", backup(without_checksum(replace(BIG, pages=4000)))),
    }


def samples() -> dict[str, tuple[str, bytes]]:
    """The real ones whose pages have checksums."""
    named = {
        "compressed-2016.bak": "compressed",
        "full-2008r2.bak": "plain",
        "chain-a-full.bak": "plain",
        "chain-b-full.bak": "plain",
    }
    return {name: (kind, (SAMPLES / name).read_bytes()) for name, kind in named.items() if SAMPLES.is_dir()}


CASES = {**synthetic(), **samples()}


def _flip(data: bytes, chance: random.Random) -> bytes:
    return flipped(data, chance.randrange(len(data) * 8))


def _swap(data: bytes, chance: random.Random) -> bytes:
    return swapped(data, *chance.sample(sorted(pages(data).values()), 2))


def _noise(data: bytes, chance: random.Random) -> bytes:
    return overwritten(data, chance.randrange(len(data) - PAGE), chance.randbytes(PAGE))


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) - 65_536)
    return data[:at] + data[at + 65_536 :]


@pytest.mark.parametrize("case", CASES)
def test_damage_of_every_kind(case: str) -> None:
    kind, data = CASES[case]
    header, chance = header_of(data), random.Random(case)
    assert complaint(data, header=header) == ""
    assert complaint(data + data, header=header)
    kinds: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _swap, _noise, _cut)
    for damage, least in zip(kinds, LEAST[kind], strict=True):
        if least:
            rounds = FLIPS if damage is _flip else ROUNDS
            found = sum(bool(complaint(damage(data, chance), header=header)) for _ in range(rounds))
            assert 100 * found / rounds >= least, damage.__name__


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("*.*")) if SAMPLES.is_dir() else [])
def test_no_real_backup_is_called_damaged(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    if not data.startswith(b"version"):
        assert stripe(data).covered > 0


MUTATE = """
import random
from tests.unit.points.sqlserver.test_damage import judge_mutations
judge_mutations(3000, random.Random(17))
status = open("/proc/self/status").read()
print(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")))
"""


def test_three_thousand_mutated_files_end_in_a_verdict_and_in_little_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MUTATE],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST_MEMORY << 10
