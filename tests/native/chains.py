"""Written backups of one database that build on each other: full, differential, two logs."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from localcloud.backups.files import Written

FULL = Written()


def another(of: Written = FULL, *, keeps_ids: bool = False, **fields: Any) -> Written:
    """A backup with other fields, and with ids of its own unless it is another stripe of the same."""
    ids: dict[str, Any] = {} if keeps_ids else {"media": uuid.uuid4(), "set_id": uuid.uuid4()}
    return replace(of, **ids, **fields)


DIFFERENTIAL = another(
    kind="I",
    flags=0xA10,
    base=FULL.checkpoint,
    first=(21, 170, 1),
    last=(21, 180, 1),
    checkpoint=(21, 170, 1),
    begun=datetime(2023, 3, 1, 6),
)
LOG = another(kind="L", first=(21, 175, 1), last=(21, 220, 1), begun=datetime(2023, 3, 2))
CHAIN = (FULL, DIFFERENTIAL, LOG)
