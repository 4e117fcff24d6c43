"""Whether a difference was told by the restore itself: in its fix-ups or in what it left out."""

import re
from dataclasses import dataclass

from tests.generated.compare import Difference


@dataclass(frozen=True)
class Told:
    """One line of the result: the entry as `ACL public.TABLE orders`, and what was said about it."""

    entry: str
    what: str
    was_left_out: bool


def untold(differences: list[Difference], told: list[Told]) -> list[Difference]:
    """Those that nothing explains."""
    return [d for d in differences if not any(_explains(each, d) for each in told)]


def _explains(told: Told, difference: Difference) -> bool:
    if difference.kind in ("database", "setting"):
        return told.entry.startswith("DATABASE ") or "DATABASE " in told.entry
    label = _plain(told.entry)
    if not all(part in label for part in _parts(difference)):
        return False
    if difference.aspect == "owner":
        return "own" in told.what
    if difference.aspect in ("privileges", "default privileges"):
        return told.entry.startswith(("ACL", "DEFAULT ACL")) or told.was_left_out
    if difference.aspect == "comment":
        return told.entry.startswith("COMMENT") or _is_gone(told)
    if difference.aspect == "rows":
        return _is_gone(told)
    return _is_gone(told) and not told.entry.startswith(("ACL", "COMMENT"))


def _is_gone(told: Told) -> bool:
    return told.was_left_out or told.what.startswith("not restored")


def _parts(difference: Difference) -> list[str]:
    """What must stand in the label: the object's name without schema and quotes, for a part of a table its table's too."""
    identity = difference.identity
    if difference.kind == "dump":
        return [_plain(re.sub(r"^[A-Z ]+ \S+ ", "", identity))]
    if difference.kind == "default privileges":
        return []
    if difference.kind == "trigger":
        return [_plain(part) for part in re.findall(r"TRIGGER (.*?) (?:BEFORE|AFTER|INSTEAD)", identity)]
    pieces = re.split(r" (?:on|USING|using) ", identity)
    return [_plain(_without_schema(piece)) for piece in pieces]


def _without_schema(name: str) -> str:
    match = re.match(r'^(?:"(?:[^"]|"")*"|[^".(]+)\.(.*)$', name, re.DOTALL)
    return match[1] if match else name


def _plain(text: str) -> str:
    return text.replace('"', "")
