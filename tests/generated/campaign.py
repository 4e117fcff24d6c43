"""Databases by their numbers: the round trip of each, what many add up to, and the smallest that goes wrong in the same way."""

import collections
import random
from collections.abc import Iterable

from tests.generated import round_trip
from tests.generated.dumps import dump_of
from tests.generated.round_trip import Choices, Verdict
from tests.generated.script import Script
from tests.generated.servers import Pool
from tests.generated.strategies.databases import database
from tests.generated.strategies.further import EXTENSIONS

# The first numbers stay with the version that is installed with the project; the rest go through all of them.
QUICK = 30
_PAIRS = (
    ("17", "17"),
    ("18", "18"),
    ("13", "17"),
    ("16", "16"),
    ("15", "18"),
    ("14", "14"),
    ("17", "18"),
    ("13", "13"),
    ("18", "18"),
    ("16", "17"),
)


def judge(pool: Pool, number: int, drawn: Script | None = None) -> Verdict:
    """The round trip of one number; versions, dump and request are drawn from the number too."""
    chance = random.Random(-number)
    servers = pool.pair(*_PAIRS[0 if number < QUICK else number % len(_PAIRS)])
    drawn = drawn or database(number, servers.source_version)
    choices = Choices(
        owners_kept=chance.random() < 0.6,
        skip=chance.random() < 0.5,
        content=chance.random() < 0.5,
        extensions=(*EXTENSIONS, "earthdistance"),
    )
    return round_trip.run(servers, number, drawn, dump_of(number, servers.source_version, servers.target_version), choices)


def counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """What many verdicts add up to."""
    found: collections.Counter[str] = collections.Counter()
    for verdict in verdicts:
        found["databases"] += 1
        found["statements"] += verdict.statements
        found["restored"] += verdict.outcome == "PROMOTED"
        found["refused, as plain pg_restore fails"] += verdict.outcome != "PROMOTED" and not verdict.false_red
        found["entries left out"] += sum(each.was_left_out for each in verdict.told)
        found["differences that were told"] += len(verdict.differences) - len(verdict.false_green)
        found["false reds"] += verdict.false_red
        found["false greens"] += bool(verdict.false_green)
    return dict(found)


def shrink(pool: Pool, number: int) -> Verdict:
    """Leave statements away, in ever smaller pieces, as long as the verdict stays bad in the same way."""
    worst = judge(pool, number)
    kept = list(worst.script.statements)
    piece = len(kept) // 2
    while piece and not worst.is_good:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + piece :]
            tried = judge(pool, number, Script(worst.script.encoding, worst.script.locale, worst.script.hard, tuple(fewer)))
            if tried.way == worst.way:
                worst, kept = tried, fewer
            else:
                start += piece
        piece //= 2
    return worst
