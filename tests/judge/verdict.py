"""What the judge says of a file. Offsets of the header's fields are from its item SCIN, little-endian."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from tests.judge.blocks import HEADER, LOGICAL, STREAM_HEADER, Block, Broken, mark_positions, u16, u32, u64, walked
from tests.judge.container import MAGIC, Unwrapped, unwrapped
from tests.judge.pages import Pages, judged_pages

SQL_SERVER = 0x1200
IN_ORDER = re.compile(r"SSET,VOLB,MSCI,(MSDA,)*(MSTL,)*MSLS,SFMB,ESET,ESET,SFMB,")
# what the second header may say otherwise than the first: LSNs known only at the end, when it finished, sizes
OTHERWISE = {"SCIN": [(32, 62), (82, 87), (96, 104), (148, 152), (252, 260), (336, 348)], "SFGI": [(56, 1 << 20)], "SFIN": [(24, 28), (158, 1 << 20)]}


@dataclass(frozen=True)
class DataFile:
    name: str
    path: str
    size: int


@dataclass(frozen=True)
class BackupSet:
    """One set. `start` to `end` are its bytes in the file, from SSET to behind its last filemark; `end` is None where it is cut off. LSNs are
    (file, block, slot); times the server's own."""

    position: int
    kind: str
    database: str
    database_id: int
    server: str
    version: str
    begun: datetime | None
    finished: datetime | None
    first_lsn: tuple[int, int, int]
    last_lsn: tuple[int, int, int]
    checkpoint_lsn: tuple[int, int, int]
    base_lsn: tuple[int, int, int]
    recovery_model: str
    with_checksum: bool
    files: tuple[DataFile, ...]
    start: int
    end: int | None


@dataclass
class Verdict:
    """The whole file. `marks` are the filemarks' places; damage is in places of the file, missing pages as (set, file, page)."""

    length: int
    compressed: bool = False
    unit: int = 0
    media_set: UUID | None = None
    stripe: int = 0
    stripes: int = 0
    media_password: bool = False
    sets: list[BackupSet] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bad_pages: list[int] = field(default_factory=list)
    misplaced_pages: list[int] = field(default_factory=list)
    missing_pages: list[tuple[int, int, int]] = field(default_factory=list)
    bad_sums: list[int] = field(default_factory=list)
    bad_records: list[int] = field(default_factory=list)
    pages: int = 0
    summed_pages: int = 0
    stale_pages: int = 0
    allocated_pages: int = 0
    records: int = 0
    sums: int = 0
    covered: float = 0.0

    @property
    def in_order(self) -> bool:
        return not (self.problems or self.damage)

    @property
    def damage(self) -> list[str]:
        named = {
            "bad page at": self.bad_pages,
            "page not in its place at": self.misplaced_pages,
            "missing page (set, file, page)": self.missing_pages,
            "bad CSUM at": self.bad_sums,
            "bad record at": self.bad_records,
        }
        return [f"{name} {place}" for name, places in named.items() for place in places]

    def __str__(self) -> str:
        form = "compressed" if self.compressed else "uncompressed"
        head = f"{self.length} bytes, {form}, units of {self.unit}, media set {self.media_set}, stripe {self.stripe} of {self.stripes}"
        checked = f"{self.summed_pages} of {self.pages} pages with checksum, {self.sums} CSUM, {self.records} records, {self.covered:.0%} covered"
        sets = [
            f"set {each.position} {each.kind} {each.database!r} (id {each.database_id}) {each.version} on {each.server}, {each.begun} to {each.finished}, "
            f"{each.recovery_model}, {len(each.files)} files, base LSN {each.base_lsn}, checkpoint LSN {each.checkpoint_lsn}, bytes {each.start} to {each.end}"
            for each in self.sets
        ]
        password = ["media password"] if self.media_password else []
        wrong = self.problems + self.damage
        return "; ".join([head, checked, *password, *sets, "IN ORDER" if not wrong else "NOT IN ORDER: " + "; ".join(wrong[:12])])


def judged(source: bytes | Path) -> Verdict:
    """Judges a whole file; never raises for what is in it."""
    file = source if isinstance(source, bytes) else source.read_bytes()
    verdict = Verdict(len(file))
    if not file.startswith((b"TAPE", MAGIC)):
        verdict.problems.append("not a native backup: it begins with neither TAPE nor MSSQLBAK")
        return verdict
    if len(file) % 512:
        verdict.problems.append(f"odd length: {len(file)} bytes is no multiple of 512")
    _Bench(verdict, unwrapped(file)).sit()
    return verdict


class _Bench:
    """Goes through the blocks of one file in order and writes into the verdict."""

    def __init__(self, verdict: Verdict, container: Unwrapped) -> None:
        self.verdict, self.container, self.data = verdict, container, container.stream
        self.say = verdict.problems.append
        self.covered = container.covered

    def place(self, offset: int) -> int:
        return self.container.at(offset)

    def sit(self) -> None:
        verdict, container = self.verdict, self.container
        verdict.compressed, verdict.records = container.compressed, container.records
        verdict.problems += container.problems
        verdict.bad_records = container.bad_records
        blocks = []
        for block in walked(self.data):
            if isinstance(block, Broken):
                self.say(f"structure broken at byte {self.place(block.at)}: {block}")
            else:
                blocks.append(block)
        if blocks:
            self._media(blocks)
            self._marks([block for block in blocks if block.tag == "SFMB"])
            for number, members in enumerate(_sets(blocks), 1):
                self._set(number, members)
            self._ending(blocks[-1])
        if not container.compressed:
            self.covered += sum(HEADER + STREAM_HEADER * len(block.streams) for block in blocks)
        verdict.covered = self.covered / verdict.length

    def _media(self, blocks: list[Block]) -> None:
        tape, marks = blocks[0], [block for block in blocks if block.tag == "SFMB"]
        if tape.tag != "TAPE":
            self.say(f"no block TAPE at the beginning but {tape.tag}")
            return
        self.verdict.unit = marks[0].end - marks[0].at if marks else 0
        self.verdict.media_password = u16(self.data, tape.at + 76) > 0
        if u16(self.data, tape.at + 86) != SQL_SERVER:
            self.say("not written by SQL Server: the vendor in TAPE is another")
        raid = tape.stream("RAID")
        if raid is None:
            self.say("no stream RAID in TAPE: media set and stripe are unknown")
            return
        self.verdict.media_set = UUID(bytes_le=self.data[raid.payload : raid.payload + 16])
        self.verdict.stripes, self.verdict.stripe = u16(self.data, raid.payload + 20), u16(self.data, raid.payload + 24)

    def _marks(self, marks: list[Block]) -> None:
        self.verdict.marks = places = [self.place(mark.at) for mark in marks]
        for number, mark in enumerate(marks):
            count, named = mark_positions(self.data, mark)
            expected = places[:number][::-1][: len(named)] if count == number else []
            if count != number:
                self.say(f"filemark at byte {places[number]} is number {number} in the file but says that {count} stand before it")
            elif named != expected:
                self.say(f"filemark at byte {places[number]} names filemarks at {named}, they stand at {expected}")

    def _set(self, number: int, blocks: list[Block]) -> None:
        if not IN_ORDER.fullmatch("".join(block.tag + "," for block in blocks)):
            self.say(f"set {number} has not the blocks of a whole set: {_shortened(blocks)}")
        self._numbers(number, blocks)
        first = next((block for block in blocks if block.tag == "MSCI"), None)
        second = next((block for block in blocks if block.tag == "MSLS"), None)
        stream = first.stream("MQCI") if first else None
        if stream is None:
            self.say(f"set {number} has no header (stream MQCI in block MSCI)")
            return
        header = dict(_items(self.data[stream.payload : stream.payload + stream.length]))
        again = second.stream("MQCI") if second else None
        repeated = dict(_items(self.data[again.payload : again.payload + again.length])) if again else {}
        if "SCIN" not in header:
            self.say(f"set {number} has a header without SCIN at byte {self.place(stream.at)}")
            return
        if again:
            self.verdict.problems += [f"set {number}: header and MSLS copy differ in {what}" for what in _differences(header, repeated)]
        end = self.place(blocks[-1].at) + blocks[-1].end - blocks[-1].at if _ended(blocks) else None
        described = _described(number, header, repeated, self.place(blocks[0].at), end)
        self.verdict.sets.append(described)
        self._pages(described, blocks)

    def _numbers(self, number: int, blocks: list[Block]) -> None:
        """What SSET and the two ESET say of themselves: the set's number in the file and their places."""
        start, ends = blocks[0], [block for block in blocks if block.tag == "ESET"]
        for block, at in [(start, 62), *((end, 78) for end in ends)]:
            if u16(self.data, block.at + at) != number:
                self.say(f"set {number}: {block.tag} at byte {self.place(block.at)} calls itself set {u16(self.data, block.at + at)}")
        if not self.container.compressed and u64(self.data, start.at + 80) != start.at:
            self.say(f"set {number}: SSET at byte {start.at} places itself at {u64(self.data, start.at + 80)}")
        if not self.container.compressed and len(ends) == 2 and u64(self.data, ends[1].at + 60) != self._map_place(blocks[-1], ends[0]):
            self.say(f"set {number}: the second ESET places the first at {u64(self.data, ends[1].at + 60)}, it stands at {ends[0].at}")
        for order, block in enumerate(blocks[: next((n for n, each in enumerate(blocks) if each.tag == "SFMB"), None)]):
            address = u64(self.data, block.at + 20), u32(self.data, block.at + 36)
            if address != ((block.at - start.at) // LOGICAL, order):
                self.say(f"set {number}: {block.tag} at byte {self.place(block.at)} is block {address[1]} at address {address[0]} by its header")
        self._set_map(number, ends)

    def _map_place(self, mark: Block, end: Block) -> int:
        """Where the second ESET says that the set map is: SQL Server 2005 means the stream's first byte, since then it is the first ESET."""
        stream = end.stream("TSMP")
        return stream.at if stream and u32(self.data, mark.at + 60) != 72 else end.at

    def _set_map(self, number: int, ends: list[Block]) -> None:
        stream = next((end.stream("TSMP") for end in ends if end.stream("TSMP")), None)
        if stream is None:
            self.say(f"set {number} has no set map (stream TSMP in ESET)")
            return
        named = [u16(self.data, at + 30) for at in self._entries(stream.payload, stream.payload + stream.length)]
        if named != list(range(1, number + 1)) or u16(self.data, stream.payload + 4) != number:
            self.say(f"set {number}: its set map lists sets {named}")

    def _entries(self, at: int, end: int) -> Iterator[int]:
        at += 8
        while at + 62 <= end and u16(self.data, at):
            yield at
            volumes = u16(self.data, at + 60)
            at += u16(self.data, at)
            for _ in range(volumes):
                at += u16(self.data, at)

    def _pages(self, described: BackupSet, blocks: list[Block]) -> None:
        whole = described.kind == "D" and self.verdict.stripes == 1
        found: Pages = judged_pages(self.data, blocks, whole)
        verdict = self.verdict
        verdict.pages += found.seen
        verdict.summed_pages += found.summed
        verdict.stale_pages += found.stale
        verdict.allocated_pages += found.allocated
        verdict.sums += found.sums
        verdict.bad_pages += [self.place(at) for at in found.bad]
        verdict.misplaced_pages += [self.place(at) for at in found.misplaced]
        verdict.missing_pages += [(described.position, *page) for page in found.missing]
        verdict.bad_sums += [self.place(at) for at in found.bad_sums]
        if not self.container.compressed:
            self.covered += found.covered

    def _ending(self, last: Block) -> None:
        if not self.verdict.sets:
            self.say("no backup set in it")
        if len(self.verdict.marks) != 2 * len(self.verdict.sets) + 1:
            self.say(f"{len(self.verdict.marks)} filemarks for {len(self.verdict.sets)} sets: truncated or pieced together")
        if last.tag != "SFMB":
            self.say(f"the last block is {last.tag}, not a filemark: truncated")


def _sets(blocks: list[Block]) -> list[list[Block]]:
    """Each from its SSET to its second filemark, or to where the next begins."""
    sets: list[list[Block]] = []
    for block in blocks:
        if block.tag == "SSET":
            sets.append([])
        if sets and not _ended(sets[-1]):
            sets[-1].append(block)
    return sets


def _ended(blocks: list[Block]) -> bool:
    return sum(block.tag == "SFMB" for block in blocks) == 2


def _shortened(blocks: list[Block]) -> str:
    return re.sub(r"(\w{4} )\1+", r"\1... ", "".join(block.tag + " " for block in blocks)).strip()


def _items(header: bytes) -> Iterator[tuple[str, bytes]]:
    """SCIN, SFGI, SFIN, ... each with its number, for several bear one name."""
    at, seen = 0, 0
    while at + 8 <= len(header) and (length := u32(header, at + 4)) >= 8:
        name = header[at : at + 4].decode("latin-1")
        yield (name if name == "SCIN" else f"{name} {seen}"), header[at : at + length]
        at, seen = at + length, seen + 1


def _differences(header: dict[str, bytes], repeated: dict[str, bytes]) -> Iterator[str]:
    if list(header) != list(repeated):
        yield f"their items: {', '.join(header)} and {', '.join(repeated)}"
    for name in header.keys() & repeated.keys():
        for at, (one, other) in enumerate(zip(header[name], repeated[name], strict=False)):
            if one != other and not any(start <= at < end for start, end in OTHERWISE.get(name[:4], [])):
                yield f"{name} at +{at}"
                break


def _described(number: int, header: dict[str, bytes], repeated: dict[str, bytes], start: int, end: int | None) -> BackupSet:
    scin, again = header["SCIN"], repeated.get("SCIN", b"")
    files = tuple(DataFile(_text(item, 48), _text(item, 52), u64(item, 40)) for name, item in header.items() if name.startswith("SFIN"))
    status = u32(scin, 244)
    return BackupSet(
        position=number,
        kind=chr(scin[87]) if len(scin) > 87 else "?",
        database=_text(scin, 104),
        database_id=u16(scin, 92),
        server=_text(scin, 108),
        version=f"{scin[27]}.{scin[26]}.{u16(scin, 24)}" if len(scin) > 27 else "?",
        begun=_date(scin[77:82]),
        finished=_date(again[82:87]),
        first_lsn=_lsn(scin, 32),
        last_lsn=_lsn(again or scin, 42),
        checkpoint_lsn=_lsn(scin, 52),
        base_lsn=_lsn(scin, 62),
        recovery_model="SIMPLE" if status & 8 else "BULK_LOGGED" if status & 4 else "FULL",
        with_checksum=bool(u32(scin, 8) & 0x10),
        files=files,
        start=start,
        end=end,
    )


def _lsn(item: bytes, at: int) -> tuple[int, int, int]:
    return u32(item, at), u32(item, at + 4), u16(item, at + 8)


def _text(item: bytes, at: int) -> str:
    length, offset = u16(item, at), u16(item, at + 2)
    return item[offset : offset + length].decode("utf-16-le", "replace")


def _date(packed: bytes) -> datetime | None:
    if len(packed) < 5 or not any(packed):
        return None
    bits = int.from_bytes(packed, "big")
    try:
        return datetime(bits >> 26, bits >> 22 & 15, bits >> 17 & 31, bits >> 12 & 31, bits >> 6 & 63, bits & 63)
    except ValueError:
        return None
