"""What a verification's checks come to: the failed ones, in one sentence."""

from collections.abc import Sequence

from dbrestore.contract.job import Check
from dbrestore.worker.base import limits


def failed(checks: Sequence[Check]) -> list[Check]:
    """What was not checked did not fail."""
    return [check for check in checks if check.result == "failed"]


def summary(checks: Sequence[Check]) -> str:
    """How many failed, and the first of them with what was expected and found."""
    bad = failed(checks)
    shown = "; ".join(f"{c.check}: expected {c.expected}, found {c.actual}" for c in bad[: limits.CHECKS_IN_MESSAGE])
    more = f"; and {len(bad) - limits.CHECKS_IN_MESSAGE} more" if len(bad) > limits.CHECKS_IN_MESSAGE else ""
    return f"{len(bad)} of {len(checks)} checks failed: {shown}{more}"
