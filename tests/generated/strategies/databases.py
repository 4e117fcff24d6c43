"""A whole database, and a database by its number."""

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.generated.script import Script
from tests.generated.strategies.constraints import constraints
from tests.generated.strategies.further import extensions, large_objects, outside, sequences, texts
from tests.generated.strategies.indexes import indexes
from tests.generated.strategies.partitions import partitions
from tests.generated.strategies.programs import programs
from tests.generated.strategies.reactions import reactions
from tests.generated.strategies.rights import rights
from tests.generated.strategies.tables import tables
from tests.generated.strategies.types import schemas, types
from tests.generated.strategies.views import views
from tests.generated.strategies.world import World

_ENCODINGS = (
    *[("UTF8", "C.UTF-8")] * 10,
    *[("UTF8", "C")] * 3,
    *[("LATIN1", "C")] * 2,
    *[("SQL_ASCII", "C")] * 3,
    *[("EUC_JP", "C")] * 2,
)
_FAMILIES = (
    schemas,
    extensions,
    types,
    programs,
    tables,
    partitions,
    sequences,
    constraints,
    reactions,
    views,
    indexes,
    texts,
    large_objects,
    outside,
    rights,
)


@st.composite
def databases(draw: Any, version: int) -> Script:
    """Databases for a server of this major version; a quarter of them hold what only a superuser can create."""
    encoding, locale = draw(st.sampled_from(_ENCODINGS))
    world = World(draw, version, encoding, hard=draw(st.integers(0, 3)) == 3)
    for family in _FAMILIES:
        family(world)
    return Script(encoding, locale, world.hard, tuple(world.statements))


def database(number: int, version: int) -> Script:
    """The database of this number: always the same."""
    drawn: list[Script] = []

    # Of two examples the first is always the simplest one.
    @seed(number)
    @settings(max_examples=2, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(databases(version))
    def draw(script: Script) -> None:
        drawn.append(script)

    draw()
    return drawn[-1]
