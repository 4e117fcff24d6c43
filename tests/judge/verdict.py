"""What the judge says of a file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class DataFile:
    name: str
    path: str
    size: int


@dataclass(frozen=True)
class BackupSet:
    """One set. `start` to `end` are its bytes in the file, from SSET to behind its last filemark; `end` is None where it is cut off.
    LSNs are (file, block, slot); times the server's own."""

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

    def __str__(self) -> str:
        checksum = ", WITH CHECKSUM" if self.with_checksum else ""
        return (
            f"set {self.position} {self.kind} {self.database!r} (id {self.database_id}) {self.version} on {self.server}, "
            f"{self.begun} to {self.finished}, {self.recovery_model}{checksum}, {len(self.files)} files, "
            f"base LSN {self.base_lsn}, checkpoint LSN {self.checkpoint_lsn}, bytes {self.start} to {self.end}"
        )


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
        named: list[tuple[str, Sequence[object]]] = [
            ("bad page at", self.bad_pages),
            ("page not in its place at", self.misplaced_pages),
            ("missing page (set, file, page)", self.missing_pages),
            ("bad CSUM at", self.bad_sums),
            ("bad record at", self.bad_records),
        ]
        return [f"{name} {place}" for name, places in named for place in places]

    def __str__(self) -> str:
        form = "compressed" if self.compressed else "uncompressed"
        wrong = self.problems + self.damage
        parts = [
            f"{self.length} bytes, {form}, units of {self.unit}, media set {self.media_set}, stripe {self.stripe} of {self.stripes}",
            f"{self.summed_pages} of {self.pages} pages summed, {self.sums} CSUM, {self.records} records, {self.covered:.0%} covered",
            *(["media password"] if self.media_password else []),
            *map(str, self.sets),
            "IN ORDER" if not wrong else "NOT IN ORDER: " + "; ".join(wrong[:12]),
        ]
        return "; ".join(parts)
