"""What differs between the engines in time, in requests, and in what passes where."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import DurationItem, Plan
from lambdas.estimate import postgresql, sqlserver
from lambdas.estimate.rates import Rate
from lambdas.estimate.requests import S3Requests


@dataclass(frozen=True)
class Expected:
    """`reading`: how fast what lies in the repository is read; `durations` of the states that make databases, `removal` of those that
    remove what only this engine has; `through_worker`: whether the worker moves the bytes; `staged`: whether copies lie in a temporary
    bucket meanwhile."""

    reading: Rate
    durations: Callable[[Plan], Iterator[DurationItem]]
    removal: Callable[[Plan], Iterator[DurationItem]]
    stored_bytes: Callable[[Plan], int]
    requests: Callable[[Plan, Mapping[str, float]], S3Requests]
    through_worker: bool
    staged: bool


ENGINES: Final[dict[Engine, Expected]] = {
    "postgres": Expected(
        reading=postgresql.READING,
        durations=postgresql.durations,
        removal=postgresql.removal,
        stored_bytes=postgresql.stored_bytes,
        requests=postgresql.requests,
        through_worker=True,
        staged=False,
    ),
    "sqlserver": Expected(
        reading=sqlserver.READING,
        durations=sqlserver.durations,
        removal=sqlserver.removal,
        stored_bytes=sqlserver.stored_bytes,
        requests=sqlserver.requests,
        through_worker=False,
        staged=True,
    ),
}
