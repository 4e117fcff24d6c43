"""Partitioned tables: range, list and hash, of two levels, with default and detached ones."""

from tests.generated.strategies import tables, values
from tests.generated.strategies.world import Column, Table, World


def partitions(world: World) -> None:
    """Up to two roots."""
    for _ in range(world.number(0, 2)):
        _root(world)


def _root(world: World) -> None:
    table = Table(world.make("TABLE", world.place()), [Column(world.name(), "integer", "i"), values.column(world)], kind="root")
    key, more = table.columns
    by_enum = [t for t in world.types if "'l'" in t[1]]
    if by_enum and world.chance(30):
        more = Column(more.name, *world.one(by_enum))
        table.columns[1] = more
    primary = f", PRIMARY KEY ({key.name})" if world.chance(70) else ""
    how = world.one(["range", "list", "hash"])
    world.run(
        f"CREATE TABLE {table.reference} ({key.name} integer NOT NULL, {more.name} {more.type}{primary}) PARTITION BY {how} ({key.name})"
    )
    table.key = key.name if primary else None
    _leaves(world, table, how, more)
    world.tables.append(table)
    tables.fill(world, table, rows=world.one([0, 40, 200]))
    if world.chance(25):
        _detached(world, table)
    if world.chance(30):
        _attached(world, table, how)


def _leaves(world: World, table: Table, how: str, second: Column) -> None:
    bounds = {
        "range": ["FROM (MINVALUE) TO (10)", "FROM (10) TO (100)", "FROM (100) TO (MAXVALUE)"],
        "list": ["IN (1, 2, 3)", "IN (4, 5)", "IN (NULL, 6)"],
        "hash": [f"WITH (MODULUS 3, REMAINDER {n})" for n in range(3)],
    }[how]
    for bound in bounds:
        name = world.make("TABLE", world.place())
        head = f"CREATE TABLE {name} PARTITION OF {table.reference} FOR VALUES {bound}"
        if table.key is None and world.chance(35):
            _branch(world, head, name, table, second)
        else:
            world.run(head + world.one(["", " WITH (fillfactor = 60)"]))
            table.leaves.append(name)
    if how != "hash" and world.chance(80):
        name = world.make("TABLE", world.place())
        world.run(f"CREATE TABLE {name} PARTITION OF {table.reference} DEFAULT")
        table.leaves.append(name)


def _branch(world: World, head: str, name: str, table: Table, second: Column) -> None:
    """A second level: by hash of the other column, which may be an enum."""
    world.run(f"{head} PARTITION BY HASH ({second.name})")
    for n in range(2):
        leaf = world.make("TABLE", world.place())
        world.run(f"CREATE TABLE {leaf} PARTITION OF {name} FOR VALUES WITH (MODULUS 2, REMAINDER {n})")
        table.leaves.append(leaf)


def _detached(world: World, table: Table) -> None:
    if table.leaves:
        leaf = table.leaves.pop()
        world.run(f"ALTER TABLE {table.reference} DETACH PARTITION {leaf}")
        world.tables.append(Table(leaf, list(table.columns), key=table.key))


def _attached(world: World, table: Table, how: str) -> None:
    """A partition whose columns are in another order and that has a default of its own."""
    if how != "list" or len(table.columns) < 2:
        return
    key, more = table.columns
    name = world.make("TABLE", world.place())
    world.run(f"CREATE TABLE {name} ({world.name()} integer, {more.name} {more.type}, {key.name} integer NOT NULL DEFAULT 900)")
    world.run(f"ALTER TABLE {table.reference} ATTACH PARTITION {name} FOR VALUES IN (900, 901)")
