"""Numbers, moments and lists as people read them."""

from collections.abc import Sequence
from datetime import UTC, datetime

LONGEST_NAME = 200


def plural(count: int, one: str, many: str = "") -> str:
    """`1 check`, `1,200 checks`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that somebody else chose, as far as a line of text bears it."""
    return name if len(name) <= longest else f"{name[:longest]}... ({len(name):,} characters)"


def listed(names: Sequence[str], most: int) -> str:
    """`a, b and 3 more`."""
    rest = len(names) - most
    return ", ".join(map(short, names[:most])) + (f" and {rest:,} more" if rest > 0 else "")


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 07 s`, `2 h 05 min`, `9 d 15 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours = minutes // 60
    # Two days are told in hours: that is how S3 tells its longest wait.
    return f"{hours} h {minutes % 60:02d} min" if hours < 72 else f"{hours // 24} d {hours % 24} h"


def size(count: float) -> str:
    """Bytes in decimal units: `1.5 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def stamp(at: datetime | None) -> str:
    """`2026-11-29 17:03:26` in UTC, `-` for none."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def moment(at: datetime | None) -> str:
    """`2026-11-29 17:03:26 UTC`; a time without a zone as it stands, `-` for none."""
    if at is None:
        return "-"
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at.tzinfo else f"{at:%Y-%m-%d %H:%M:%S}"


def day(at: datetime) -> str:
    """`29 November 2026`."""
    return f"{at.day} {at:%B %Y}"
