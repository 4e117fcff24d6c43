"""Constraints with all their flags, and foreign keys in circles."""

from tests.generated.strategies.world import Column, Table, World


def constraints(world: World) -> None:
    """Several over the tables that are there."""
    for table in world.real_tables():
        for _ in range(world.number(0, 2)):
            world.one([_check, _check, _unique, _exclude, _not_null])(world, table)
    keyed = [t for t in world.real_tables() if t.key]
    for _ in range(world.number(0, 4) if keyed else 0):
        _foreign_key(world, world.one(world.real_tables()), world.one(keyed))
    if len(keyed) > 1 and world.chance(25):
        _circle(world, *keyed[:2])
    if world.version >= 18 and world.chance(50):
        _temporal(world)


def _add(world: World, table: Table, definition: str) -> None:
    name = world.name()
    world.run(f"ALTER TABLE {table.reference} ADD CONSTRAINT {name} {definition}")
    if world.chance(25):
        world.run(f"COMMENT ON CONSTRAINT {name} ON {table.reference} IS {world.text()}")


def _check(world: World, table: Table) -> None:
    column = world.one(table.columns).name
    holds = [f"({column} IS NULL OR {column} IS NOT NULL)", f"({table.columns[0].name} > -100000 AND 'a;b' <> 'IS ''')"]
    broken = [f"({table.columns[0].name} < 3)", f"({column} IS NULL)"]
    flags = [
        ("", holds),
        (" NO INHERIT", holds),
        (" NOT VALID", broken + holds),
        (" NOT VALID", broken),
        (" NO INHERIT NOT VALID", broken),
    ]
    if world.version >= 18:
        flags.append((" NOT ENFORCED", broken))
    flag, conditions = world.one(flags)
    _add(world, table, f"CHECK {world.one(conditions)}{flag}")


def _unique(world: World, table: Table) -> None:
    key, more = table.columns[0].name, world.one(table.columns).name
    listed = key if key == more else f"{key}, {more}"
    nulls = " NULLS NOT DISTINCT" if world.version >= 15 and world.chance(40) else ""
    include = f" INCLUDE ({more})" if listed == key and key != more else ""
    _add(
        world,
        table,
        f"UNIQUE{nulls} ({listed}){include}{world.one(['', ' WITH (fillfactor = 50)'])}{_deferrable(world)}",
    )


def _exclude(world: World, table: Table) -> None:
    # Not even a superuser's pg_restore can attach a partition's index to that of a partitioned exclusion.
    if table.kind == "root" and not world.chance(10):
        return
    ranges = [c.name for c in table.columns if c.type.endswith("range")]
    key = table.columns[0].name
    elements = world.one([f"USING gist ({r} WITH &&)" for r in ranges] or [f"USING btree ({key} WITH =)", f"({key} WITH =)"])
    where = f" WHERE ({key} > 1000000)" if world.chance(70) else ""
    _add(world, table, f"EXCLUDE {elements}{where}{_deferrable(world)}")


def _not_null(world: World, table: Table) -> None:
    column = world.one(table.columns)
    if world.version >= 18:
        _add(world, table, f"NOT NULL {column.name}{world.one(['', ' NO INHERIT', ' NOT VALID'])}")
    else:
        world.run(f"ALTER TABLE {table.reference} ALTER COLUMN {column.name} SET NOT NULL")


def _foreign_key(world: World, child: Table, parent: Table) -> None:
    column = Column(world.name(), "integer", "i")
    source = f"(SELECT max({parent.key}) FROM {parent.reference})"
    world.run(f"ALTER TABLE {child.reference} ADD COLUMN {column.name} integer")
    world.run(f"UPDATE {child.reference} SET {column.name} = {source} WHERE {child.columns[0].name} % 2 = 0")
    actions = ["", " ON DELETE CASCADE", " ON DELETE SET NULL ON UPDATE CASCADE", " MATCH FULL ON UPDATE RESTRICT"]
    if world.version >= 15:
        actions.append(f" ON DELETE SET NULL ({column.name})")
    flags = _deferrable(world) + (" NOT VALID" if world.chance(20) else "")
    if world.version >= 18 and world.chance(15):
        flags = " NOT ENFORCED"
    _add(
        world,
        child,
        f"FOREIGN KEY ({column.name}) REFERENCES {parent.reference} ({parent.key}){world.one(actions)}{flags}",
    )


def _circle(world: World, one: Table, other: Table) -> None:
    for child, parent in ((one, other), (other, one)):
        name = world.name()
        world.run(f"ALTER TABLE {child.reference} ADD COLUMN {name} integer REFERENCES {parent.reference}{_deferrable(world)}")
        world.run(f"UPDATE {child.reference} SET {name} = (SELECT min({parent.key}) FROM {parent.reference})")


def _temporal(world: World) -> None:
    """PostgreSQL 18's periods: keys without overlaps and foreign keys of periods."""
    one, other, key, span = (
        world.make("TABLE", world.place()),
        world.make("TABLE", world.place()),
        world.name(),
        world.name(),
    )
    world.run(f"CREATE TABLE {one} ({key} int4range, {span} daterange, PRIMARY KEY ({key}, {span} WITHOUT OVERLAPS))")
    world.run(f"INSERT INTO {one} SELECT int4range(i, i + 1), '[2024-01-01,2025-01-01)' FROM generate_series(1, 9) AS i")
    world.run(f"CREATE TABLE {other} ({key} int4range, {span} daterange)")
    world.run(f"INSERT INTO {other} SELECT int4range(i, i + 1), '[2024-02-01,2024-03-01)' FROM generate_series(1, 9) AS i")
    world.run(f"ALTER TABLE {other} ADD FOREIGN KEY ({key}, PERIOD {span}) REFERENCES {one} ({key}, PERIOD {span})")


def _deferrable(world: World) -> str:
    return world.one(["", "", "", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"])
