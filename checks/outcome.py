"""What a scanner came to."""

from dataclasses import dataclass


class ScannerFailed(Exception):
    """It could not do its work; the message is its own."""


@dataclass(frozen=True)
class Outcome:
    """`findings`: a line for each that nobody acknowledged. `acknowledged`: how many others. `skipped`: why it didn't look, or empty."""

    scanner: str
    findings: tuple[str, ...] = ()
    acknowledged: int = 0
    skipped: str = ""

    def __str__(self) -> str:
        if self.skipped:
            return f"{self.scanner}: not run: {self.skipped}"
        head = f"{self.scanner}: {len(self.findings)} open, {self.acknowledged} acknowledged"
        return "\n".join((head, *(f"  {finding}" for finding in self.findings)))
