"""Numbers as people read them."""

from dbrestore.evidence.words import duration, size

__all__ = ["dollars", "duration", "number", "size"]


def dollars(amount: float) -> str:
    """`$1,024.00`; below a cent with more digits, because the sum of such items is shown beside them: `$0.0006`."""
    if 0 < amount < 0.0001:
        return "< $0.0001"
    return f"${amount:,.2f}" if amount >= 0.01 or amount == 0 else f"${amount:.4f}"


def number(count: int) -> str:
    """Digits in groups: `300,000`."""
    return f"{count:,}"
