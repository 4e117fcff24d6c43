"""Texts of documents that a dump or a server decides the length of: cut, so that documents stay small enough to be read, sent and kept; and
how what is in them is shown without doing anything."""

import re
from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator

LONGEST_TEXT: Final = 4000
LONGEST_SQL: Final = 200_000
# Of Unicode those that turn the direction of what follows, or end a line.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def _cut(longest: int, text: str) -> str:
    if len(text) <= longest:
        return text
    mark = f"... (cut, {len(text)} characters)"
    return text[: longest - len(mark)] + mark


Text = Annotated[str, AfterValidator(partial(_cut, LONGEST_TEXT))]
SqlText = Annotated[str, AfterValidator(partial(_cut, LONGEST_SQL))]


def visible(text: str) -> str:
    """The text with control characters written as `\\x1b` or `\\u202e`."""
    return _CONTROL.sub(lambda match: escaped(match.group()), text)


def escaped(character: str) -> str:
    """One character as its number."""
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\u{ord(character):04x}"
