"""The demonstration's native backups: a customer database, backed up to two stripes at night and by its log every quarter of an hour.

Synthetic: headers, stripes and log sequence numbers as SQL Server writes them, and pages of rows that belong to no table.
"""

import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from localcloud.backups.files import SECTOR, Written, backup

DATABASE: Final = "crm"
# Between the beginnings of the two log backups: the second holds it, and only a part of that is restored.
STOP_AT: Final = datetime(2026, 11, 23, 10, 10)

_MIB: Final = 1 << 20
_FULL: Final = Written(
    database=DATABASE,
    stripes=2,
    media=uuid.uuid4(),
    set_id=uuid.uuid4(),
    database_id=uuid.uuid4(),
    begun=datetime(2026, 11, 23, 2, 0),
    pages=8 * _MIB // SECTOR,
    files=((DATABASE, "D:\\data\\crm.mdf", 64 * _MIB), (f"{DATABASE}_log", "L:\\log\\crm.ldf", 16 * _MIB)),
)


def create(directory: Path) -> tuple[Path, ...]:
    """Write the files: the stripes of the full backup, then the logs in order."""
    full = {f"crm_full_{stripe}.bak": replace(_FULL, stripe=stripe) for stripe in (1, 2)}
    logs = {
        "crm_log_1000.trn": _log(datetime(2026, 11, 23, 10, 0), (21, 160, 1), (22, 40, 1)),
        "crm_log_1015.trn": _log(datetime(2026, 11, 23, 10, 15), (22, 40, 1), (22, 90, 1)),
    }
    for name, what in {**full, **logs}.items():
        (directory / name).write_bytes(backup(what))
    return tuple(directory / name for name in (*full, *logs))


def _log(begun: datetime, first: tuple[int, int, int], last: tuple[int, int, int]) -> Written:
    return replace(
        _FULL,
        kind="L",
        stripes=1,
        media=uuid.uuid4(),
        set_id=uuid.uuid4(),
        begun=begun,
        first=first,
        last=last,
        pages=_MIB // SECTOR,
    )
