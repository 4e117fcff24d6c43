"""The map in docs/architecture.md is the house: every room stands in it, and the table of who may import whom is the rule."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_rooms import OURS, PARTS, modules

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
# What it may import of other parts is told in words there.
TOLD_IN_WORDS = "acceptance"


def mapped(page: str) -> Iterator[str]:
    """The folders that the map draws, each below the one that it is indented under."""
    [drawing] = re.findall(r"^## The house\n+```text\n(.*?)^```", page, flags=re.M | re.S)
    above: list[str] = []
    for line in drawing.splitlines():
        names = re.match(r"( *)((?:[\w.]+/ ?)+)", line)
        if names:
            above = above[: len(names[1]) // 2]
            found = [name.strip("/") for name in names[2].split()]
            yield from ("/".join([*above, name]) for name in found)
            above.append(found[-1])


def rooms() -> set[str]:
    return {path.parent.relative_to(ROOT).as_posix() for part in OURS for _, path in modules(part)}


def test_every_room_is_on_the_map_and_none_that_is_gone() -> None:
    drawn = set(mapped(PAGE))

    assert rooms() - drawn == set()
    assert {name for name in drawn if not (ROOT / name).is_dir()} == set()


def full_name(short: str) -> str:
    return f"dbrestore.{short}" if (ROOT / "dbrestore" / short.partition(".")[0]).is_dir() else short


def test_the_table_of_who_may_import_whom_is_the_rule() -> None:
    table = re.findall(
        r"^\| ((?:`[\w/]+`(?:, )?)+) \| (.*) \|$", PAGE.partition("## Who may import whom")[2].partition("\n## ")[0], flags=re.M
    )
    told = {
        part.replace("/", "."): {full_name(name) for name in re.findall(r"`([\w.]+)`", allowed)}
        for parts, allowed in table
        for part in re.findall(r"`([\w/]+)`", parts)
    }

    assert set(told) == set(PARTS)
    assert {part: names for part, names in told.items() if part != TOLD_IN_WORDS} == {
        part: names for part, names in PARTS.items() if part != TOLD_IN_WORDS
    }
