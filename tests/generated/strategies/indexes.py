"""Indexes of every method, extended statistics, CLUSTER ON, replica identity."""

from tests.generated.strategies.world import Table, World

_BY_TYPE = {
    "text[]": ["gin ({})"],
    "int[]": ["gin ({})"],
    "jsonb": ["gin ({})", "gin ({} jsonb_path_ops)"],
    "tsvector": ["gin ({})", "gist ({})"],
    "point": ["gist ({})", "spgist ({})"],
    "box": ["gist ({})"],
    "polygon": ["gist ({})"],
    "inet": ["gist ({} inet_ops)", "spgist ({})"],
    "int4range": ["gist ({})", "spgist ({})"],
    "text": [
        "btree ({} text_pattern_ops)",
        "hash ({})",
        "btree (upper({}) DESC NULLS LAST)",
        "btree ((coalesce({}, 'x;y'))) WHERE {} <> 'IS '''",
        "spgist ({})",
        'btree ({} COLLATE "C")',
    ],
    "date": ["brin ({}) WITH (pages_per_range = 4)"],
}


def indexes(world: World) -> None:
    """Several."""
    for table in [t for t in world.tables if t.kind in ("table", "root", "matview")]:
        for _ in range(world.number(0, 3)):
            _index(world, table)
    for table in [t for t in world.real_tables() if len(t.columns) > 1]:
        if world.chance(20):
            _statistics(world, table)


def _index(world: World, table: Table) -> None:
    column = world.one(table.columns)
    shapes = [*_BY_TYPE.get(column.type, []), "btree ({})", "btree ({} DESC)"]
    name, shape = world.name(), world.one(shapes).replace("{}", column.name)
    full_name = world.make("INDEX", f"{schema_of(table.reference)}.{name}")
    unique = "UNIQUE " if column is table.columns[0] and "btree (" + column.name + ")" == shape else ""
    only = "ONLY " if table.kind == "root" and world.chance(25) else ""
    world.run(f"CREATE {unique}INDEX {name} ON {only}{table.reference} USING {shape}")
    if world.chance(15) and table.kind == "table":
        world.run(f"ALTER TABLE {table.reference} CLUSTER ON {name}")
    if unique and world.chance(50) and table.kind == "table":
        world.run(f"ALTER TABLE {table.reference} REPLICA IDENTITY USING INDEX {name}")
    elif world.chance(10) and table.kind == "table":
        world.run(f"ALTER TABLE {table.reference} REPLICA IDENTITY {world.one(['FULL', 'NOTHING'])}")
    if "(upper" in shape or "((" in shape:
        world.run(f"ALTER INDEX {full_name} ALTER COLUMN 1 SET STATISTICS 321")


def schema_of(reference: str) -> str:
    """The schema of a qualified name whose schema may hold dots: all before the last name."""
    inside, last = False, 0
    for position, character in enumerate(reference):
        inside ^= character == '"'
        if character == "." and not inside:
            last = position
    return reference[:last]


def _statistics(world: World, table: Table) -> None:
    name = world.make("STATISTICS", world.place())
    first, second = table.columns[0].name, world.one(table.columns[1:]).name
    kinds = world.some(["ndistinct", "dependencies", "mcv"], 3)
    shape = f"{first}, {second}"
    if world.version >= 14 and world.chance(30):
        shape, kinds = f"({first} % 10), {second}", []
    world.run(f"CREATE STATISTICS {name}{' (' + ', '.join(kinds) + ')' if kinds else ''} ON {shape} FROM {table.reference}")
    if world.chance(30):
        world.run(f"ALTER STATISTICS {name} SET STATISTICS 55")
