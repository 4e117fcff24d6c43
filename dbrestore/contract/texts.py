"""Texts of documents that a dump or a server decides the length of: cut, so that documents stay small enough to be read, sent and kept."""

from functools import partial
from typing import Annotated, Final

from pydantic import AfterValidator

LONGEST_TEXT: Final = 4000
LONGEST_SQL: Final = 200_000


def _cut(longest: int, text: str) -> str:
    if len(text) <= longest:
        return text
    mark = f"... (cut, {len(text)} characters)"
    return text[: longest - len(mark)] + mark


Text = Annotated[str, AfterValidator(partial(_cut, LONGEST_TEXT))]
SqlText = Annotated[str, AfterValidator(partial(_cut, LONGEST_SQL))]
