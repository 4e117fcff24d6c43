"""Digests of what a restore left in the evidence bucket, in the format that `sha256sum -c` reads."""

import re
from collections.abc import Iterable
from typing import Final

from dbrestore.contract.evidence import Digest

EVIDENCE: Final = "evidence.json"
PAGE: Final = "report.html"
MANIFEST: Final = "manifest.sha256"
# They hold the digests of the others, or are made of what does.
MADE_LAST: Final = (EVIDENCE, PAGE, MANIFEST)
# Nobody's evidence: it tells how far a job is, and is written again every second.
PROGRESS: Final = "progress.json"
# sha256sum marks names with these by a backslash before the digest, and writes them so.
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


def is_covered(name: str) -> bool:
    """Whether a document, by its path below the restore's own prefix, is one of those whose digests the evidence holds."""
    return name not in MADE_LAST and name.rpartition("/")[2] != PROGRESS


def lines(digests: Iterable[Digest]) -> str:
    """The text of `manifest.sha256`."""
    return "".join(_line(digest) for digest in digests)


def _line(digest: Digest) -> str:
    name = re.sub(r"[\\\n\r]", lambda match: _ESCAPES[match.group()], digest.name)
    mark = "\\" if name != digest.name else ""
    return f"{mark}{digest.sha256}  {name}\n"
