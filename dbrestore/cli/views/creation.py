"""One thing that a restore would make, by the name that it would get."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Creation:
    """`is_recorded`: it has a row of its own in the ledger and the report; `stays`: it is there after the restore for certain."""

    kind: str
    name: str
    what: str = ""
    is_recorded: bool = True
    stays: bool = False
