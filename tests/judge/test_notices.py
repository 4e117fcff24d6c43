"""A judge that never says no proves nothing: each kind of damage, done to a real backup that is in order, is named by it where it is."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import pytest

from tests.judge import Verdict, judged
from tests.judge.test_samples import SAMPLES, pytestmark  # noqa: F401

PAGE = 8192
DATA = 8704  # the first page of full-2008r2.bak
LAST_MARK = 1_593_344


@cache
def sample(name: str = "full-2008r2.bak") -> bytes:
    return (SAMPLES / name).read_bytes()


def flipped(at: int, name: str = "full-2008r2.bak", bit: int = 4) -> Verdict:
    file = bytearray(sample(name))
    file[at] ^= bit
    return judged(bytes(file))


def named(verdict: Verdict, words: str) -> bool:
    return any(words in problem for problem in verdict.problems)


def test_a_changed_bit_in_a_page_is_a_bad_page_there() -> None:
    verdict = flipped(DATA + 9 * PAGE + 4000)
    assert (verdict.bad_pages, verdict.problems) == ([DATA + 9 * PAGE], [])


def test_pages_that_changed_places_are_sound_but_not_in_their_places() -> None:
    file, one, other = bytearray(sample()), DATA + 9 * PAGE, DATA + 17 * PAGE
    file[one : one + PAGE], file[other : other + PAGE] = file[other : other + PAGE], file[one : one + PAGE]
    verdict = judged(bytes(file))
    assert (verdict.bad_pages, verdict.misplaced_pages) == ([], [one, other])


def test_a_page_of_zeros_where_an_allocated_one_belongs_is_missed() -> None:
    file, at = bytearray(sample()), DATA + 9 * PAGE
    file[at : at + PAGE] = bytes(PAGE)
    assert judged(bytes(file)).misplaced_pages == [at]


def test_extents_in_another_order_are_noticed() -> None:
    file, one, other = bytearray(sample()), DATA + 8 * PAGE, DATA + 16 * PAGE
    file[one:other], file[other : other + 8 * PAGE] = file[other : other + 8 * PAGE], file[one:other]
    assert other in judged(bytes(file)).misplaced_pages


def test_an_allocated_page_that_no_extent_brings_is_missing() -> None:
    file, at = bytearray(sample()), DATA + 8 * PAGE
    file[at : at + 8 * PAGE] = bytes(8 * PAGE)
    assert (1, 1, 8) in judged(bytes(file)).missing_pages


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda file: file[:800_256] + file[800_256 + 65536 :], "structure broken at byte"),
        (lambda file: file + file, "filemark 3 at byte 1594880 says that 0 stand before it"),
        (lambda file: file[:-512], "the last block is ESET, not a filemark: truncated"),
        (
            lambda file: file[:800_256],
            "structure broken at byte 8680: truncated: stream MQDA ends at 1516032, the file at 800256",
        ),
        (lambda file: file + b"\0", "odd length: 1593857 bytes"),
        (lambda file: file[:1536] + file[1594_880 - 1024 :], "no backup set in it"),
        (lambda file: file[:1_590_272] + file[1_592_320:], "has not the blocks of a whole set"),
        (lambda file: file + file[LAST_MARK:], "SFMB at byte 1593856 belongs to no set"),
        (lambda file: file[1536:], "not a native backup"),
    ],
    ids=["cut", "twice", "without its end", "half", "odd", "no set", "one ESET", "a mark too many", "no TAPE"],
)
def test_a_file_with_bytes_lost_or_added_is_not_in_order(damage: Callable[[bytes], bytes], words: str) -> None:
    verdict = judged(damage(sample()))
    assert named(verdict, words), str(verdict)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (1024 + 20, "structure broken at byte 1024"),
        (8680 + 9, "structure broken at byte 8680: a stream's header has another checksum"),
        (1536 + 62, "SSET at byte 1536 calls itself set 5"),
        (1536 + 81, "SSET stands at 1536, not at 512"),
        (1_590_272 + 78, "ESET at byte 1590272 calls itself set 5"),
        (1_592_320 + 61, "the second ESET places the first at 1589248, it stands at 1590272"),
        (1_591_296 + 22 + 8 + 30, "its set map lists (set, place) [(5, 1536)]"),
        (LAST_MARK + 56, "filemark 2 at byte 1593344 says that 6 stand before it"),
        (LAST_MARK + 73, "filemark 2 at byte 1593344 names [1590784, 1024], they stand at [1589760, 1024]"),
        (3662 + 92, "header and MSLS copy differ in SCIN at +92"),
        (1_585_742 + 87, "header and MSLS copy differ in SCIN at +87"),
    ],
)
def test_a_changed_bit_in_what_holds_the_file_together_is_named(at: int, words: str) -> None:
    verdict = flipped(at)
    assert named(verdict, words), str(verdict)


def test_a_changed_bit_in_a_compressed_record_is_a_bad_record() -> None:
    verdict = flipped(100_253 + 28 + 500, "compressed-2016.bak")
    assert verdict.bad_records == [100_253]


def test_a_changed_bit_in_the_index_of_records_is_named() -> None:
    assert named(flipped(453_932 + 44, "compressed-2016.bak"), "the index of records at byte 453932")


def test_bytes_cut_from_a_compressed_backup_break_its_records() -> None:
    file = sample("compressed-2016.bak")
    assert named(judged(file[:102_400] + file[104_448:]), "structure broken: no record at byte")


def test_whatever_is_done_to_a_file_the_judge_answers() -> None:
    file = sample("chain-b-log-1.trn")
    for start, end in pairwise(range(0, len(file), 1499)):
        judged(file[:start] + file[end:])
        judged(file[:start] + bytes(reversed(file[start:end])) + file[end:])
