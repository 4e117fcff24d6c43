"""Databases by their numbers: the round trip of each, what many add up to, and the smallest that goes wrong in the same way."""

import collections
import random
from collections.abc import Iterable

from tests.generated import round_trip
from tests.generated.dumps import dump_of
from tests.generated.round_trip import Verdict
from tests.generated.script import Script
from tests.generated.servers import Servers
from tests.generated.strategies.databases import database


def judge(servers: Servers, number: int, drawn: Script | None = None) -> Verdict:
    """The round trip of one number; how it is restored is drawn from the number too."""
    chance = random.Random(-number)
    drawn = drawn or database(number, servers.source_version)
    dump = dump_of(number, servers.source_version)
    owners_kept, skip = chance.random() < 0.6, chance.random() < 0.5
    return round_trip.run(servers, number, drawn, dump, owners_kept=owners_kept, skip=skip)


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


def shrink(servers: Servers, number: int) -> Verdict:
    """Leave statements away, in ever smaller pieces, as long as the verdict stays bad in the same way."""
    worst = judge(servers, number)
    kept = list(worst.script.statements)
    piece = len(kept) // 2
    while piece and not worst.is_good:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + piece :]
            tried = judge(
                servers, number, Script(worst.script.encoding, worst.script.locale, worst.script.hard, tuple(fewer))
            )
            if (tried.false_red, bool(tried.false_green)) == (worst.false_red, bool(worst.false_green)):
                worst, kept = tried, fewer
            else:
                start += piece
        piece //= 2
    return worst
