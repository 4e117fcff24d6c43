"""PostgreSQL's moments in time, out of its texts of them."""

import re
from datetime import UTC, datetime
from typing import Final

_WITH_ZONE: Final = "timestamp with time zone"
_MOMENTS: Final = (_WITH_ZONE, "timestamp without time zone", "date")
# PostgreSQL writes `+00` where Python wants minutes as well.
_SHORT_ZONE: Final = re.compile(r"[+-]\d\d$")


def moment(text: str | None, kind: str) -> datetime | None:
    """None if the type has none, and for NULL, `infinity` and years that Python lacks. What has no zone is taken as UTC, which is the
    session's."""
    if kind not in _MOMENTS or text is None:
        return None
    whole = text + ":00" if _SHORT_ZONE.search(text) and kind == _WITH_ZONE else text
    try:
        found = datetime.fromisoformat(whole)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
