"""What `points add` was given."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Given:
    """`names` of databases, one for each source or fewer; `positions` of backup sets in their files, counted from 1."""

    instance: str
    sources: list[Path]
    names: list[str]
    positions: list[int]
