"""The texts of a table of contents in the dump's encoding, which only one of its entries names: until that is known they are UTF-8 or,
byte by byte, surrogates."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dbrestore.contract.errors import BackupDamaged
from dbrestore.points.pgdump.packed_statements import Packing, Statements

if TYPE_CHECKING:
    from dbrestore.points.pgdump.toc import TocEntry

_COMMON: Final = ("description", "owner", "schema_name", "tablespace", "access_method")


def decoded(entries: "tuple[TocEntry, ...]", codec: str, raw: str = "utf-8") -> "tuple[TocEntry, ...]":
    """The same entries with their texts read in this codec. Raises BackupDamaged if one isn't valid there."""
    packing = Packing()
    found = tuple(e if codec == "utf-8" and is_ascii(e) else _decoded(e, codec, raw, packing) for e in entries)
    packing.close()
    return found


def is_ascii(entry: "TocEntry") -> bool:
    """Whether all of its texts are the same in any encoding."""
    common = ((getattr(entry.common, name) or "") for name in _COMMON)
    return entry.tag.isascii() and all(map(str.isascii, common)) and all(map(str.isascii, entry.statements[entry.place]))


def text(found: str, codec: str, raw: str = "utf-8") -> str:
    """One text. Raises BackupDamaged."""
    try:
        return found.encode(raw, "surrogateescape").decode(codec)
    except UnicodeDecodeError as error:
        raise BackupDamaged(f"a text of the table of contents isn't valid {codec}: {error}") from error


def _decoded(entry: "TocEntry", codec: str, raw: str, packing: Packing) -> "TocEntry":
    found: dict[str, Any] = {name: text(getattr(entry.common, name) or "", codec, raw) for name in _COMMON}
    common = packing.once(entry.common._replace(**found | {"schema_name": found["schema_name"] or None}))
    statements, place = packing.place(Statements(*(text(each, codec, raw) for each in entry.statements[entry.place])))
    return replace(entry, tag=text(entry.tag, codec, raw), common=common, statements=statements, place=place)
