"""The two consoles. What they print comes from dumps and requests of other people: no markup is read in it, and control characters are
shown instead of sent to the terminal.
"""

import os
import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from dbrestore.contract.texts import escaped, visible

__all__ = ["err", "for_programs", "one_line", "out", "say", "visible"]

_WIDE = 250


def out() -> Console:
    """Results, on stdout."""
    # In a file or a pipe nothing needs to be folded, and whoever searches it finds ids whole.
    is_fixed = sys.stdout.isatty() or "COLUMNS" in os.environ
    return _PlainConsole(markup=False, highlight=False, emoji=False, width=None if is_fixed else _WIDE)


def err() -> Console:
    """Progress and problems, on stderr."""
    return _PlainConsole(stderr=True, markup=False, highlight=False, emoji=False)


def for_programs(asked: bool) -> bool:
    """Whether a followed restore is told in JSON Lines: if asked for, and whenever stdout isn't a terminal."""
    return asked or not sys.stdout.isatty()


def say(line: str, style: str = "") -> None:
    """One line on stderr, never broken by us: whoever searches a log finds it whole."""
    err().print(line, style=style, soft_wrap=True)


def one_line(name: str) -> str:
    """A name out of a backup, with its line feeds and tabs made visible too: it must not look like lines of ours."""
    return re.sub(r"[\t\n]", lambda match: escaped(match.group()), visible(name))


class _PlainConsole(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)
