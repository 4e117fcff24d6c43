"""Where programs lie that are fetched once and used by all checkouts of a user."""

import os
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """`~/.cache/dbrestore` (XDG_CACHE_HOME), or a folder of this checkout where there is no home or none that can be written. Root's lies
    where the unprivileged user that runs database servers may read it."""
    # RuntimeError: no HOME, and the user isn't in the list of users.
    with suppress(OSError, RuntimeError):
        shared = _of_user() / "dbrestore"
        shared.mkdir(parents=True, exist_ok=True)
        if os.access(shared, os.W_OK):
            return shared
    return ROOT / ".local" / "cache"


def _of_user() -> Path:
    if os.getuid() == 0:
        return Path("/var/cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
