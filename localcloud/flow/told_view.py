"""What another process's local cloud told, for `dbrestore local events`: read from its record, all of it or as it goes on."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

RECORD: Final = "told.jsonl"
# Real seconds between two looks for more.
LOOK: Final = 0.3
# Whatever a message says, it moves no cursor and begins no line of its own.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def told(directory: Path) -> Iterator[dict[str, Any]]:
    """What the cloud of that folder told until now, oldest first."""
    yield from following(directory, lambda: False)


def following(directory: Path, goes_on: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """The same, and then what comes as long as it goes on."""
    read = 0
    while True:
        is_over = not goes_on()
        lines = _whole_lines(directory / RECORD)
        for line in lines[read:]:
            yield json.loads(line)
        read = len(lines)
        if is_over:
            return
        time.sleep(LOOK)


def _whole_lines(record: Path) -> list[str]:
    text = record.read_text() if record.exists() else ""
    # The last one may be under way. JSON escapes none of the other characters at which `splitlines` would break.
    return text.split("\n")[:-1]


def line(one: Mapping[str, Any]) -> str:
    """One of them for people."""
    if one["type"] == "message":
        subject = f"{one['subject']}: " if one.get("subject") else ""
        return _plain(f"{one['at']}  to {one['topic']}: {subject}{one['message']}")
    detail = one["detail"]
    error = (detail.get("error") or {}).get("name")
    drill = f"drill {detail['drillName']}" if detail.get("drillName") else detail.get("mode", "")
    parts = [str(one["kind"]), str(detail.get("restoreId", "")), drill, detail.get("phase") or detail.get("status", ""), error or ""]
    return _plain(f"{one['at']}  {', '.join(part for part in parts if part)}")


def _plain(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text)
