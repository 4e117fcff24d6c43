"""What differs between the engines when databases are verified, discarded and reported."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.anchor import Anchor
from dbrestore.contract.job import Job, Result
from dbrestore.contract.manifest import Engine
from dbrestore.contract.plan import Plan, PlannedDatabase
from lambdas.databases.postgresql import jobs as postgresql
from lambdas.databases.postgresql import left_out
from lambdas.databases.sqlserver import jobs as sqlserver
from lambdas.databases.sqlserver import proof
from lambdas.runtime.state import Restore


@dataclass(frozen=True)
class Databases:
    """`verify` and `discard` make the worker's jobs; `left_out` tells what the databases lack of their backups, empty if nothing;
    `proofs` are sentences of the report. `under_asked_names`: a database bears the asked name before it is verified."""

    verify: Callable[[Restore, Plan, Iterable[PlannedDatabase]], Job]
    discard: Callable[[Restore, Anchor, set[str]], Job]
    left_out: Callable[[Restore, Plan, list[Result]], str]
    proofs: Callable[[Plan, Iterable[Result]], tuple[str, ...]]
    under_asked_names: bool


ENGINES: Final[dict[Engine, Databases]] = {
    "postgres": Databases(
        verify=postgresql.verify,
        discard=postgresql.discard,
        left_out=left_out.told,
        proofs=lambda plan, results: (),
        under_asked_names=False,
    ),
    "sqlserver": Databases(
        verify=sqlserver.verify,
        discard=sqlserver.discard,
        left_out=lambda restore, plan, verified: "",
        proofs=proof.sentences,
        under_asked_names=True,
    ),
}
