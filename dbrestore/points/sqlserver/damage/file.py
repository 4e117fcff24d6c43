"""Damage that a native backup file shows by itself: its structure, and every checksum that SQL Server wrote into it, in one pass.

Held on 230 real files: blocks follow each other without a gap, filemarks name each other; pages, streams of pages and log (WITH
CHECKSUM), compressed records and their index have checksums; pages stand in order, and each that the database uses is there. What is
unknown is told as not judged, never refused. This needs numpy, which only the command has: nothing of the functions or the worker
imports it. Invariant: memory does not grow with the file, but for two bits per page of a backup of several stripes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import NativeChecks
from dbrestore.points.sqlserver.damage.blocks import Walk
from dbrestore.points.sqlserver.damage.content import Streams
from dbrestore.points.sqlserver.damage.fed_bytes import Pieces
from dbrestore.points.sqlserver.damage.order import Found, PageAt
from dbrestore.points.sqlserver.damage.pages import Pages
from dbrestore.points.sqlserver.damage.places import INTERVAL, Places
from dbrestore.points.sqlserver.damage.records import Records
from dbrestore.points.sqlserver.damage.sums import PAGE
from dbrestore.points.sqlserver.header import NativeHeader

_ADVICE: Final = "compare it with its original, or make it again"
# Below so many failing pages or records, it is not the kind of file that is unknown.
_FEW: Final = 8


@dataclass(frozen=True)
class StripeChecks:
    """What was recomputed of one file and found right. `covered`: bytes under such a checksum. `places` and `undecided` wait for the
    other stripes."""

    name: str
    stripe: int
    length: int
    covered: int
    pages: int
    records: int
    places: Places | None
    undecided: Found
    not_judged: tuple[str, ...]


class DamageCheck:
    """One file (stripe) that holds exactly one backup set; `header` is its own."""

    def __init__(self, name: str, header: NativeHeader) -> None:
        self._name, self._header = name, header
        backup_set = header.backup_set
        self._places = Places(whole=backup_set.kind == "D", alone=header.stripes == 1)
        self._pages = Pages(self._places, backup_set.checkpoint_lsn)
        self._streams = Streams(self._pages)
        self._walk = Walk(self._streams)
        self._records = Records()
        self._pieces = Pieces(self._records.read() if header.compressed else self._walk.read())

    def feed(self, data: bytes | memoryview) -> None:
        """Consecutive bytes of the file, in pieces of any size. Raises BackupDamaged as soon as the structure is broken."""
        self._pieces.feed(data)

    def finish(self) -> StripeChecks:
        """All bytes were fed. Raises BackupDamaged, one sentence for the file's name to stand before it."""
        self._pieces.finish()
        return self._finished_compressed() if self._header.compressed else self._finished_pages()

    def _finished_compressed(self) -> StripeChecks:
        records = self._records
        # The kind of checksum is known if a single one is right.
        doubtful = bool(records.wrong) and not records.right
        if records.wrong and not doubtful:
            number, position = records.wrong[0]
            what = f"record {number:,}" if number else "the index of the records"
            raise BackupDamaged(
                f"is damaged: the checksum of {what} at byte {position:,} is wrong{_and_more(len(records.wrong), 'record')}: {_ADVICE}"
            )
        return self._checks(records.covered, 0, records.right, None, tuple(_of_records(records, doubtful)))

    def _finished_pages(self) -> StripeChecks:
        pages, streams = self._pages, self._streams
        pages.stream_ends()
        self._places.close()
        doubtful = pages.wrong >= _FEW and pages.wrong > pages.right
        problems = [] if doubtful else list(_of_pages(pages))
        if streams.wrong:
            tag, position = streams.wrong[0]
            problems.append(
                f"the checksum over stream {tag.decode()} at byte {position:,} is wrong{_and_more(len(streams.wrong), 'stream')}"
            )
            # It may be a free one, but shows where to look.
            problems += [f"so is that of page {page} at byte {page.position:,}" for page in pages.undecided.pages[:1] if not doubtful]
        if problems:
            raise BackupDamaged(f"is damaged: {'; '.join(problems)}: {_ADVICE}")
        notes = tuple(_of_streams(self._walk, streams, pages, doubtful))
        pages.undecided = Found() if doubtful else pages.undecided
        return self._checks(streams.covered + self._walk.headers, pages.right, 0, self._places, notes)

    def _checks(self, covered: int, pages: int, records: int, places: Places | None, not_judged: tuple[str, ...]) -> StripeChecks:
        return StripeChecks(
            name=self._name,
            stripe=self._header.stripe,
            length=self._pieces.length,
            covered=covered,
            pages=pages,
            records=records,
            places=places,
            undecided=self._pages.undecided,
            not_judged=not_judged,
        )


def whole(stripes: Sequence[StripeChecks]) -> NativeChecks:
    """All stripes of one backup set together. Raises BackupDamaged if a page that the database uses is in none of them."""
    places = [stripe.places for stripe in stripes if stripe.places is not None]
    wanted = _Wanted(places)
    wanted.require(stripes)
    return NativeChecks(
        length=sum(stripe.length for stripe in stripes),
        covered=sum(stripe.covered for stripe in stripes),
        pages=sum(stripe.pages for stripe in stripes),
        records=sum(stripe.records for stripe in stripes),
        allocated_pages=wanted.used if wanted.told else None,
        not_judged=tuple(dict.fromkeys([*(note for stripe in stripes for note in stripe.not_judged), *wanted.notes])),
    )


class _Wanted:
    """The pages of all stripes, interval by interval."""

    def __init__(self, places: Sequence[Places]) -> None:
        self.used = sum(one.used for one in places)
        self.told = any(one.done for one in places)
        self.missing = Found()
        self.notes: list[str] = []
        self._places = places
        self._unsettled = 0
        for key in sorted({key for one in places for key in one.packed}):
            self._judge(key)
        if self._unsettled:
            parts = "1 part of 63 MiB that was" if self._unsettled == 1 else f"{self._unsettled:,} parts of 63 MiB that were"
            self.notes.append(f"whether all pages are there in {parts} changed during the backup")

    def _judge(self, key: tuple[int, int]) -> None:
        packed = [one.packed[key].interval() for one in self._places if key in one.packed]
        interval = packed[0]
        for other in packed[1:]:
            interval.join(other)
        self.told |= interval.allocated is not None
        self.used += interval.used
        self._unsettled += not interval.settled
        missing = np.flatnonzero(interval.missing(key[1], self._places[0].whole)) + key[1] * INTERVAL
        self.missing.add(PageAt(key[0], page, -1) for page in missing.tolist())

    def allocated(self, file: int, page: int) -> bool:
        """Unless a PFS page calls it free."""
        return all(one.allocated(file, page) is not False for one in self._places)

    def require(self, stripes: Sequence[StripeChecks]) -> None:
        """Raises BackupDamaged."""
        problems = []
        if all(one.empty and one.whole for one in self._places) and self._places:
            problems.append("it holds no page of its database")
        if self.missing.count >= max(_FEW, self.used) and self.missing.count <= sum(one.unknown for one in self._places):
            self.notes.append(f"whether all pages are there: {self.missing.count:,} of those in use were not found")
        elif self.missing.count:
            first = self.missing.pages[0]
            problems.append(f"page {first} is in use and not in its place{_and_more(self.missing.count, 'page', 'nor are')}")
        for stripe in stripes:
            if found := [page for page in stripe.undecided.pages if self.allocated(page.file, page.page)]:
                where = f" of {stripe.name}" if len(stripes) > 1 else ""
                problems.append(
                    f"the checksum of page {found[0]} at byte {found[0].position:,}{where} is wrong{_and_more(len(found), 'page')}"
                )
        if problems:
            raise BackupDamaged(f"is damaged: {'; '.join(problems)}: {_ADVICE}")


def _of_pages(pages: Pages) -> Iterable[str]:
    if pages.damaged.count:
        first = pages.damaged.pages[0]
        yield f"the checksum of page {first} at byte {first.position:,} is wrong{_and_more(pages.damaged.count, 'page')}"
    if pages.displaced.count:
        first = pages.displaced.pages[0]
        yield f"page {first} at byte {first.position:,} comes after higher ones{_and_more(pages.displaced.count, 'page', 'so do')}"


def _of_streams(walk: Walk, streams: Streams, pages: Pages, doubtful: bool) -> Iterable[str]:
    if doubtful:
        yield f"pages: {pages.wrong:,} of {pages.wrong + pages.right:,} have checksums of an unknown kind (an encrypted database?)"
    if pages.torn_detection:
        yield f"{pages.torn_detection:,} pages of {PAGE:,} bytes: they have torn-page detection instead of a checksum"
    if streams.unmatched:
        yield f"{streams.unmatched:,} checksums over several streams"
    for tag, size in sorted(walk.unknown.items())[:10]:
        yield f"{size:,} bytes in streams {tag.decode()}, whose layout is not known"


def _of_records(records: Records, doubtful: bool) -> Iterable[str]:
    if records.layout != 2:
        yield f"everything but the header: a compressed backup of layout {records.layout}"
    if doubtful:
        yield f"records: {len(records.wrong):,} of {len(records.wrong) + records.right:,} have checksums of an unknown kind"
    if records.lost is not None:
        yield f"records from byte {records.lost:,} on: of an unknown kind"


def _and_more(count: int, what: str, verb: str = "and those of") -> str:
    if count < 2:
        return ""
    return f", {verb} {count - 1:,} more {what}{'s' if count > 2 else ''}"
