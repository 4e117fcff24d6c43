"""Whether a difference was told by the restore itself: in its fix-ups or in what it left out."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tests.generated.compare import Difference

_NAME = re.compile(r'"(?:[^"]|"")*"|[^\s".(),]+')
_PRIVILEGES, _COMMENTS = ("ACL", "DEFAULT ACL"), ("COMMENT",)


@dataclass(frozen=True)
class Told:
    """One line of the result: the entry as `ACL public.TABLE orders`, what was said about it, and how many rows it says are missing."""

    entry: str
    what: str
    was_left_out: bool
    rows: int = 0

    @property
    def is_gone(self) -> bool:
        """Whether the entry wasn't restored."""
        return self.was_left_out or self.what.startswith("not restored")


def untold(differences: list[Difference], told: list[Told], parents: Mapping[str, str] | None = None) -> list[Difference]:
    """Those that nothing explains. `parents`: the identity of each partition -> that of the table above it; rows of hashed partitions are
    compared in the tree's topmost hashed table."""
    return [d for d in differences if not any(_explains(each, d) for each in told) and not _is_loss_of_partitions(d, told, parents or {})]


def _is_loss_of_partitions(difference: Difference, told: list[Told], parents: Mapping[str, str]) -> bool:
    """Whether exactly as many rows are missing as were left out of the partitions below the table."""
    if difference.aspect != "rows" or difference.original is None or difference.restored is None:
        return False
    entries = {_squeezed(f"TABLE DATA {child}") for child in parents if difference.identity in _above(child, parents)}
    left_out = sum(each.rows for each in told if each.was_left_out and _squeezed(each.entry) in entries)
    before, after = (int(text.split(" ")[0]) for text in (difference.original, difference.restored))
    return 0 < left_out == before - after


def _above(table: str, parents: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    while (parent := parents.get(found[-1] if found else table)) is not None:
        found.append(parent)
    return found


def _explains(told: Told, difference: Difference) -> bool:
    if difference.kind in ("database", "setting"):
        return told.entry.startswith("DATABASE ") or "DATABASE " in told.entry
    if told.is_gone and not told.entry.startswith((*_PRIVILEGES, *_COMMENTS)):
        return _is_part_of(told, difference)
    if difference.kind == "dump" and difference.identity.startswith(_COMMENTS):
        return told.entry.startswith(_COMMENTS) and _is_part_of(told, difference)
    if told.entry.startswith("ROLE pg_"):
        # The server's own roles own nothing afterwards, and this line is all that says so.
        return difference.aspect in ("owner", "privileges") and told.entry[5:] in (difference.original or "")
    if not _is_about(told, difference):
        return False
    if told.entry.startswith("MATERIALIZED VIEW DATA"):
        return difference.aspect in ("rows", "relation")
    if difference.aspect in ("privileges", "default privileges"):
        return told.entry.startswith(_PRIVILEGES) or "own" in told.what
    if difference.aspect == "comment":
        return told.entry.startswith(_COMMENTS)
    return difference.aspect == "owner" and "own" in told.what


def _is_part_of(told: Told, difference: Difference) -> bool:
    """Whether it is the object that isn't there, or a part of it: the identity holds `schema.name` of it somewhere."""
    if difference.kind == "dump":
        heading, label = (_squeezed(text).replace(".", "") for text in (difference.identity, told.entry))
        return heading == label or _is_about(told, difference)
    label, names = _squeezed(told.entry), [_unquoted(name) for name in _NAME.findall(difference.identity)]
    places = [*names, *(f"{schema}.{name}" for schema, name in itertools.pairwise(names))]
    return _squeezed(difference.identity) in label or any(told.entry.endswith(f" {place}") for place in places)


def _is_about(told: Told, difference: Difference) -> bool:
    """Whether all names of the identity but its schema are in the label."""
    identity = difference.identity
    if difference.kind == "dump":
        identity = re.sub(r"^[A-Z ]+ \S+ ", "", identity)
    pieces = [] if difference.kind == "default privileges" else re.split(r" (?:on|USING|using) ", identity)
    if difference.aspect == "privileges":
        # The label of a function's privileges has its arguments' names, the identity their types alone.
        pieces = [piece.split("(")[0] if piece.endswith(")") else piece for piece in pieces]
    label = _squeezed(told.entry)
    return all(_squeezed(_without_schema(piece)) in label for piece in pieces)


def _without_schema(name: str) -> str:
    match = re.match(r'^(?:[a-z]+ )*(?:"(?:[^"]|"")*"|[^".(]+)\.(.*)$', name, re.DOTALL)
    return match[1] if match else name


def _squeezed(text: str) -> str:
    """Labels and identities differ in quotes, in spaces and in how they name built-in types."""
    return re.sub(r'[" \n]|pg_catalog\.', "", text)


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
