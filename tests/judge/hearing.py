"""Goes through a file block by block and says of each set, filemark and page whether it is what it claims to be."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from tests.judge.blocks import HEADER, LOGICAL, STREAM_HEADER, Block, Broken, mark_positions, u16, u32, u64, walked
from tests.judge.container import MAGIC, Unwrapped, unwrapped
from tests.judge.headers import described, differences, items_of
from tests.judge.pages import judged_pages
from tests.judge.verdict import BackupSet, Verdict

SQL_SERVER = 0x1200
IN_ORDER = re.compile(r"SSET,VOLB,MSCI,(MSDA,)*(MSTL,)*MSLS,SFMB,ESET,ESET,SFMB,")


def judged(source: bytes | Path) -> Verdict:
    """Judges a whole file; never raises for what is in it."""
    file = source if isinstance(source, bytes) else source.read_bytes()
    verdict = Verdict(len(file))
    if not file.startswith((b"TAPE", MAGIC)):
        verdict.problems.append("not a native backup: it begins with neither TAPE nor MSSQLBAK")
        return verdict
    if len(file) % 512:
        verdict.problems.append(f"odd length: {len(file)} bytes is no multiple of 512")
    _Hearing(verdict, unwrapped(file)).hold()
    return verdict


class _Hearing:
    """Goes through the blocks of one file in order and writes into the verdict."""

    def __init__(self, verdict: Verdict, container: Unwrapped) -> None:
        self.verdict, self.container, self.data = verdict, container, container.stream
        self.place = container.at
        self.covered = container.covered

    def say(self, problem: str, unless: bool = False) -> None:
        if not unless:
            self.verdict.problems.append(problem)

    def hold(self) -> None:
        verdict, container = self.verdict, self.container
        verdict.compressed, verdict.records, verdict.bad_records = (
            container.compressed,
            container.records,
            container.bad_records,
        )
        verdict.problems += container.problems
        blocks = list(self._sound_blocks())
        if blocks:
            self._media(blocks)
            self._marks([block for block in blocks if block.tag == "SFMB"])
            for number, members in enumerate(self._sets(blocks), 1):
                self._set(number, members)
            self._ending(blocks[-1])
        if not container.compressed:
            self.covered += sum(HEADER + STREAM_HEADER * len(block.streams) for block in blocks)
        verdict.covered = self.covered / verdict.length

    def _sound_blocks(self) -> Iterator[Block]:
        for block in walked(self.data):
            if isinstance(block, Broken):
                self.say(f"structure broken at byte {self.place(block.at)}: {block}")
            else:
                yield block

    def _media(self, blocks: list[Block]) -> None:
        head = [block.tag for block in blocks[:3]]
        self.say(f"the file begins with {head}, not with TAPE, SFMB, SSET", unless=head == ["TAPE", "SFMB", "SSET"])
        tape, mark = blocks[0], next((block for block in blocks if block.tag == "SFMB"), None)
        self.verdict.unit = mark.end - mark.at if mark else 0
        raid = tape.stream("RAID")
        if raid is None:
            self.say("no stream RAID in TAPE: media set and stripe are unknown")
            return
        self.say(
            "not written by SQL Server: the vendor in TAPE is another",
            unless=u16(self.data, tape.at + 86) == SQL_SERVER,
        )
        self.verdict.media_password = u16(self.data, tape.at + 76) > 0
        self.verdict.media_set = UUID(bytes_le=self.data[raid.payload : raid.payload + 16])
        self.verdict.stripes, self.verdict.stripe = u16(self.data, raid.payload + 20), u16(self.data, raid.payload + 24)

    def _marks(self, marks: list[Block]) -> None:
        self.verdict.marks = places = [self.place(mark.at) for mark in marks]
        for number, mark in enumerate(marks):
            count, named = mark_positions(self.data, mark)
            before = places[:number][::-1][: len(named)]
            full = u32(self.data, mark.at + 52)
            self.say(
                f"filemark {number} at byte {places[number]} says that {count} stand before it",
                unless=count == number or count == full < number,
            )
            self.say(
                f"filemark {number} at byte {places[number]} names {named}, they stand at {before}",
                unless=named == before,
            )

    def _sets(self, blocks: list[Block]) -> list[list[Block]]:
        """Each from its SSET to its second filemark, or to where the next begins."""
        sets: list[list[Block]] = []
        for block in blocks:
            if block.tag == "SSET":
                sets.append([])
            if sets and not _ended(sets[-1]):
                sets[-1].append(block)
            elif sets:
                self.say(f"{block.tag} at byte {self.place(block.at)} belongs to no set")
        return sets

    def _set(self, number: int, blocks: list[Block]) -> None:
        whole = IN_ORDER.fullmatch("".join(block.tag + "," for block in blocks))
        self.say(f"set {number} has not the blocks of a whole set: {_shortened(blocks)}", unless=bool(whole))
        self._numbers(number, blocks)
        first, second = (next((block for block in blocks if block.tag == tag), None) for tag in ("MSCI", "MSLS"))
        header, repeated = items_of(self.data, first), items_of(self.data, second)
        if "SCIN" not in header:
            self.say(f"set {number} has no header (SCIN in stream MQCI of block MSCI)")
            return
        if second:
            self.verdict.problems += [f"set {number}: header and MSLS copy differ in {what}" for what in differences(header, repeated)]
        last = blocks[-1]
        end = self.place(last.at) + last.end - last.at if _ended(blocks) else None
        self.verdict.sets.append(described(number, header, repeated, self.place(blocks[0].at), end))
        self._pages(self.verdict.sets[-1], blocks)

    def _numbers(self, number: int, blocks: list[Block]) -> None:
        """What SSET and the two ESET say of themselves, the set's number in the file and their places, and the other blocks of theirs."""
        start, ends = blocks[0], [block for block in blocks if block.tag == "ESET"]
        for block, at in [(start, 62), *((end, 78) for end in ends)]:
            named = u16(self.data, block.at + at)
            self.say(
                f"set {number}: {block.tag} at byte {self.place(block.at)} calls itself set {named}",
                unless=named == number,
            )
        placed = u64(self.data, start.at + 80)
        self.say(
            f"set {number}: SSET stands at {self.place(start.at)}, not at {placed}",
            unless=placed == self.place(start.at),
        )
        if len(ends) == 2:
            named, is_at = u64(self.data, ends[1].at + 60), self._map_place(blocks[-1], ends[0])
            self.say(
                f"set {number}: the second ESET places the first at {named}, it stands at {is_at}",
                unless=named == is_at,
            )
        self._addresses(number, blocks)
        self._set_map(number, start, ends)

    def _map_place(self, mark: Block, end: Block) -> int:
        """Where the second ESET says that the set map is: SQL Server 2005 means the stream, since then it is the first ESET."""
        stream = end.stream("TSMP")
        return self.place(stream.at if stream and u32(self.data, mark.at + 60) != 72 else end.at)

    def _addresses(self, number: int, blocks: list[Block]) -> None:
        """Up to the first filemark each block bears its number in the set and its distance from SSET in logical blocks."""
        data = next((n for n, each in enumerate(blocks) if each.tag == "SFMB"), len(blocks))
        for order, block in enumerate(blocks[:data]):
            address = u64(self.data, block.at + 20), u32(self.data, block.at + 36)
            self.say(
                f"set {number}: {block.tag} at byte {self.place(block.at)} is block {address[1]} at address {address[0]} by its header",
                unless=address == ((block.at - blocks[0].at) // LOGICAL, order),
            )

    def _set_map(self, number: int, start: Block, ends: list[Block]) -> None:
        stream = next((stream for end in ends if (stream := end.stream("TSMP"))), None)
        if stream is None:
            self.say(f"set {number} has no set map (stream TSMP in ESET)")
            return
        named = [(u16(self.data, at + 30), u64(self.data, at + 12)) for at in self._entries(stream.payload, stream.payload + stream.length)]
        right = [each for each, _ in named] == list(range(1, number + 1)) and named[-1][1] == self.place(start.at)
        self.say(
            f"set {number}: its set map lists (set, place) {named}",
            unless=right and u16(self.data, stream.payload + 4) == number,
        )

    def _entries(self, at: int, end: int) -> Iterator[int]:
        at += 8
        while at + 62 <= end and u16(self.data, at):
            yield at
            volumes = u16(self.data, at + 60)
            for _ in range(volumes + 1):
                at += u16(self.data, at)

    def _pages(self, judged_set: BackupSet, blocks: list[Block]) -> None:
        found = judged_pages(self.data, blocks, whole=judged_set.kind == "D" and self.verdict.stripes == 1)
        verdict = self.verdict
        verdict.pages += found.seen
        verdict.summed_pages += found.summed
        verdict.stale_pages += found.stale
        verdict.allocated_pages += found.allocated
        verdict.sums += found.sums
        verdict.bad_pages += [self.place(at) for at in found.bad]
        verdict.misplaced_pages += [self.place(at) for at in found.misplaced]
        verdict.missing_pages += [(judged_set.position, *page) for page in found.missing]
        verdict.bad_sums += [self.place(at) for at in found.bad_sums]
        if not self.container.compressed:
            self.covered += found.covered

    def _ending(self, last: Block) -> None:
        marks, sets = len(self.verdict.marks), len(self.verdict.sets)
        self.say("no backup set in it", unless=sets > 0)
        self.say(f"{marks} filemarks for {sets} sets: truncated or pieced together", unless=marks == 2 * sets + 1)
        self.say(f"the last block is {last.tag}, not a filemark: truncated", unless=last.tag == "SFMB")


def _ended(blocks: list[Block]) -> bool:
    return sum(block.tag == "SFMB" for block in blocks) == 2


def _shortened(blocks: list[Block]) -> str:
    return re.sub(r"(\w{4} )\1+", r"\1... ", "".join(block.tag + " " for block in blocks)).strip()
