"""What this command's version consists of: read from the source tree it runs in, or else from the stamp of the wheel it came in.

Invariant: what isn't known for certain is None, with the reason. A difference that isn't there must never be reported.
"""

import json
from pathlib import Path

from dbrestore.contract.deployed import job_document, versions
from dbrestore.contract.questions.examination import Expected

# Written by setup.py when a wheel is built.
STAMP = Path(__file__).with_name("fingerprints.json")


def expected(root: Path = versions.ROOT, stamp: Path = STAMP) -> Expected:
    """The fingerprints that the deployed application has if it is of this version."""
    document = versions.of_value(job_document.content())
    try:
        sums = versions.of_tree(root) if versions.is_source_tree(root) else _stamped(stamp)
    except ValueError as error:
        return Expected(version=versions.NUMBER, document=document, why_unknown=str(error))
    return Expected(version=versions.NUMBER, document=document, **sums)


def _stamped(path: Path) -> dict[str, str]:
    """Raises ValueError with the reason if the stamp is missing, unreadable or another version's."""
    try:
        stamp = json.loads(path.read_text())
        version, sums = stamp["version"], {name: str(stamp[name]) for name in ("code", "definition")}
    except FileNotFoundError:
        raise ValueError(f"the asking command was installed without {path.name}, so it has no fingerprints to compare") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the asking command's {path.name} can't be read ({error!r})") from None
    if version != versions.NUMBER:
        raise ValueError(f"the asking command is {versions.NUMBER}, but its {path.name} is of {version}")
    return sums
