"""What the bus took of the product, and what topics published, written down for `dbrestore local events`.

One JSON object per line in a file beside the cloud's log, oldest first, under the cloud's own time of day: {"type": "event", "at", "kind",
"detail", ...} or {"type": "message", "at", "topic", "subject", "message"}. A new cloud begins a new file.
"""

import json
import threading
from datetime import UTC
from pathlib import Path
from typing import Any

from moto.events.models import EventsBackend
from moto.sns.models import Topic

from localcloud.base import clock
from localcloud.base.corrections import fix
from localcloud.flow.told_view import RECORD

SOURCE = "dbrestore.restore"

_record: Path | None = None
_writing = threading.Lock()


def install(directory: Path) -> None:
    """Write it into that folder from here on."""
    global _record
    _record = directory / RECORD
    _record.unlink(missing_ok=True)
    fix(EventsBackend, "put_events", _put)
    fix(Topic, "publish", _published)


def _put(original: Any, backend: Any, entries: list[dict[str, Any]]) -> Any:
    # Before its rules deliver it: a message that it causes stands behind it.
    for entry in entries:
        if entry.get("Source") == SOURCE and (detail := _object(entry.get("Detail"))) is not None:
            _note({"type": "event", "kind": entry.get("DetailType"), "resources": entry.get("Resources", []), "detail": detail})
    return original(backend, entries)


def _object(text: Any) -> dict[str, Any] | None:
    """A detail that the bus takes."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _published(original: Any, topic: Any, message: str, subject: str | None = None, *arguments: Any, **given: Any) -> Any:
    _note({"type": "message", "topic": topic.arn.rpartition(":")[2], "subject": subject, "message": message})
    return original(topic, message, subject, *arguments, **given)


def _note(line: dict[str, Any]) -> None:
    at = clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with _writing:
        assert _record is not None  # noqa: S101 - install() sets it before the fixes
        # A cloud that was stopped took its folder with it.
        if _record.parent.is_dir():
            with _record.open("a") as file:
                file.write(json.dumps({"at": at, **line}, ensure_ascii=False) + "\n")
