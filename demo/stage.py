"""What the demonstration prints: steps with their time, claims with a tick or a cross, small tables."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.text import Text

from dbrestore.cli.views.units import duration


class Stage:
    """A console, a clock, and the claims that turned out false (`broken`)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self.broken: list[str] = []

    def title(self, text: str) -> None:
        """A heading with the time since the beginning."""
        clock = Text(f"  [{duration(time.monotonic() - self._began)}]", style="dim")
        self._console.print(Text(f"\n{text}", style="bold").append_text(clock))

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """One line when it is done; whatever is appended to the list stands beside it."""
        began, details = time.monotonic(), list[str]()
        yield details
        took = duration(time.monotonic() - began)
        self._console.print(f"  {what:<30} {', '.join(details)} ({took})", soft_wrap=True)

    def command(self, text: str) -> None:
        """A command as a person would type it."""
        self._console.print(Text(f"\n$ {text}", style="bold cyan"))

    def show(self, what: RenderableType) -> None:
        """A table."""
        self._console.print()
        self._console.print(what)

    def claim(self, what: str, is_true: bool, otherwise: str = "") -> None:
        """Print whether it is so; `otherwise` says what was found instead."""
        mark, style = ("✓", "green") if is_true else ("✗", "bold red")
        found = f" ({otherwise})" if otherwise and not is_true else ""
        self._console.print(Text(f"{mark} {what}{found}", style=style))
        if not is_true:
            self.broken.append(what)
