"""The external id of an installation: random, made once, and from then on the same in both stacks.

It lies in `cdk.context.json`, the file in which the CDK's command remembers what it found out and which it reads by itself. AWS does not
treat an external id as a secret (IAM User Guide, "Access to AWS accounts owned by third parties"), so it may be committed.
"""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY = "externalId"
REMEMBERED = "cdk.context.json"


def chosen(root: Path, context: Mapping[str, Any]) -> str:
    """What the context says, else what was remembered, else a new one, remembered now. Two at once choose the same."""
    given = context.get(KEY) or of_command().get(KEY) or _remembered(root / REMEMBERED).get(KEY)
    return str(given) if given else _made(root / REMEMBERED)


def of_command() -> dict[str, Any]:
    """What `cdk -c key=value` hands over in the environment."""
    values: dict[str, Any] = json.loads(os.environ.get("CDK_CONTEXT_JSON") or "{}")
    return values


def _remembered(path: Path) -> dict[str, Any]:
    """Other things may be remembered there too."""
    values: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return values


def _made(path: Path) -> str:
    """Whoever comes second finds what the first one wrote. The lock is on the folder, so it leaves no file behind."""
    with _alone(path.parent):
        known = _remembered(path)
        if KEY not in known:
            known = {**known, KEY: secrets.token_hex(16)}
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            fresh.write_text(json.dumps(known, indent=2) + "\n")
            os.replace(fresh, path)
        return str(known[KEY])


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
