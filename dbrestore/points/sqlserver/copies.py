"""The second copy of a backup's header, which SQL Server writes behind the data: when the backup finished, what is final, and what differs.

Of 138 real files with both copies, 128 differ in sizes, times and counters alone; in ten the data was read twice and the LSNs of the
second copy are higher. The base of a differential and the end of a log are compared with the final ones. Everything that names the backup
is the same in all.
"""

from dataclasses import replace
from typing import Final

from dbrestore.points.sqlserver.blocks import blocks, date
from dbrestore.points.sqlserver.header import BackupSet, Item, described, items

# Bytes of each item that differ in sound backups, from its tag: LSNs, sizes, times, and counters whose meaning isn't known.
_VARYING: Final[dict[bytes, tuple[tuple[int, int], ...]]] = {
    b"SCIN": ((32, 62), (82, 87), (96, 104), (144, 154), (252, 262), (336, 352)),
    b"SFGI": ((56, 66), (68, 78), (80, 90), (104, 114), (116, 126), (132, 142)),
    b"SFIN": ((24, 32), (40, 48), (156, 186), (202, 216), (218, 232), (234, 248), (250, 258), (262, 272)),
}

Items = tuple[Item, ...]


def behind_the_data(data: bytes) -> Items | None:
    """The items of the last block MSLS in `data`; None if there is none. Raises NotEnough, ValueError and IndexError for a damaged one."""
    found = [block for block in blocks(data) if block.tag == b"MSLS"]
    return items(found[-1]) if found else None


def final(head: BackupSet, behind: Items) -> BackupSet:
    """What the backup came to. Raises ValueError if the two copies are not of one backup."""
    said = described(behind)
    if wrong := _contradiction(head, said):
        raise ValueError(f"its two copies don't agree about {wrong}")
    return replace(said, id=head.id, number=head.number, finished_at=date(behind[0][1], 82))


def differing_bytes(first: Items, behind: Items) -> int:
    """How many bytes differ that differ in no sound backup that was seen."""
    return sum(_differing(tag, bytes(one), bytes(other)) for (tag, one), (_, other) in zip(first, behind, strict=False))


def _contradiction(head: BackupSet, last: BackupSet) -> str:
    same = (
        "kind",
        "database",
        "server",
        "version",
        "begun_at",
        "database_version",
        "checksums",
        "base_lsn",
        "base_id",
        "database_id",
        "database_number",
    )
    wrong = [name.replace("_", " ") for name in same if getattr(head, name) != getattr(last, name)]
    for name in ("first_lsn", "last_lsn", "checkpoint_lsn"):
        if getattr(last, name) < getattr(head, name):
            wrong.append(name.replace("_", " "))
    names = [[(file.logical_name, file.physical_path) for file in one.database_files] for one in (head, last)]
    return ", ".join([*wrong, *(["the database's files"] if names[0] != names[1] else [])])


def _differing(tag: bytes, one: bytes, other: bytes) -> int:
    varying = {position for begin, end in _VARYING.get(tag, ()) for position in range(begin, end)}
    pairs = zip(one, other, strict=False)
    return sum(a != b for position, (a, b) in enumerate(pairs) if position not in varying) + abs(len(one) - len(other))
