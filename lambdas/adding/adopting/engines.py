"""What a rule does differently for the engines."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from dbrestore.contract.adoption.answers import Waiting
from dbrestore.contract.manifest import Engine
from dbrestore.points.adoption.arrivals import Unit
from lambdas.adding.adopting import postgresql, sqlserver
from lambdas.adding.adopting.rule_at_work import RuleAtWork


@dataclass(frozen=True)
class Adopting:
    """`follow` sees how what was begun has ended, and tells whether something has; `adopt` begins what is due of what has
    arrived, and tells what waits."""

    follow: Callable[[RuleAtWork], bool]
    adopt: Callable[[RuleAtWork, Sequence[Unit]], Iterator[Waiting]]


ENGINES: Final[dict[Engine, Adopting]] = {
    "postgres": Adopting(postgresql.follow, postgresql.adopt),
    "sqlserver": Adopting(sqlserver.follow, sqlserver.adopt),
}
