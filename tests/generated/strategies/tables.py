"""Tables with rows: columns, defaults, identity, generated columns, storage, inheritance."""

from tests.generated.strategies import values
from tests.generated.strategies.world import Column, Table, World


def tables(world: World) -> None:
    """A few."""
    for _ in range(world.number(1, 5)):
        _table(world)
    if world.chance(35):
        _child(world)
    if world.chance(15):
        _typed(world)
    if world.chance(15):
        _columnless(world)


def fill(world: World, table: Table, rows: int | None = None, into: str | None = None) -> None:
    """Rows for all columns that can be written."""
    written = [c for c in table.columns if c.value is not None]
    names = ", ".join(c.name for c in written)
    chosen = ", ".join(f"({c.value})" for c in written)
    many = rows if rows is not None else world.one([0, 1, 7, 60, 300])
    world.run(f"INSERT INTO {into or table.reference} ({names}) SELECT {chosen} FROM generate_series(1, {many}) AS i")


def _table(world: World) -> None:
    table = Table(world.place(), [Column(world.name(), "integer", "i")])
    key = table.columns[0].name
    parts = [f"{key} integer"]
    if world.chance(75):
        constraint = f"CONSTRAINT {world.name()} " if world.chance(30) else ""
        table.key, parts = key, [f"{key} integer {constraint}PRIMARY KEY{_deferrable(world, 10)}"]
    for _ in range(world.number(0, 6)):
        made = values.column(world)
        table.columns.append(made)
        parts.append(f"{made.name} {made.type}{_collation(world, made)}{values.default_of(world, made) if world.chance(25) else ''}")
    parts += _special_columns(world, table)
    unlogged = "UNLOGGED " if world.chance(8) else ""
    world.run(f"CREATE {unlogged}TABLE {table.reference} ({', '.join(parts)}){_storage_parameters(world)}")
    world.make("TABLE", table.reference)
    for column in table.columns:
        world.make("COLUMN", f"{table.reference}.{column.name}")
    world.tables.append(table)
    fill(world, table)
    _columns_altered(world, table)


def _special_columns(world: World, table: Table) -> list[str]:
    key, parts = table.columns[0].name, []
    if world.chance(20):
        name, options = (
            world.name(),
            world.one(["", " (START 5 INCREMENT 3)", f" (SEQUENCE NAME {world.place()} CYCLE MAXVALUE 99999)"]),
        )
        table.columns.append(Column(name, "bigint", None))
        parts.append(f"{name} bigint GENERATED {world.one(['ALWAYS', 'BY DEFAULT'])} AS IDENTITY{options}")
    if world.chance(15):
        table.columns.append(Column(name := world.name(), "integer", None))
        parts.append(f"{name} {world.one(['serial', 'bigserial', 'smallserial'])}")
    if world.chance(20):
        kind = world.one(["STORED", "VIRTUAL"]) if world.version >= 18 else "STORED"
        table.columns.append(Column(name := world.name(), "integer", None))
        parts.append(f"{name} integer GENERATED ALWAYS AS ({key} * 2 + length('a;b')) {kind}")
    if world.chance(10):
        parts.append(f"{world.name()} integer")
        world.chance(50)
    return parts


def _collation(world: World, made: Column) -> str:
    return ' COLLATE "C"' if made.type == "text" and world.chance(15) else ""


def _deferrable(world: World, percent: int) -> str:
    return world.one([" DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"]) if world.chance(percent) else ""


def _storage_parameters(world: World) -> str:
    chosen = world.some(
        [
            "fillfactor = 70",
            "autovacuum_enabled = false",
            "toast_tuple_target = 256",
            "parallel_workers = 2",
            "toast.autovacuum_enabled = off",
            "autovacuum_vacuum_scale_factor = 0.02",
            "vacuum_truncate = false",
        ],
        2,
    )
    return f" WITH ({', '.join(chosen)})" if chosen else ""


def _columns_altered(world: World, table: Table) -> None:
    column = world.one(table.columns)
    action = world.one(
        [
            "SET STATISTICS 77",
            "SET (n_distinct = -0.5)",
            "SET STORAGE EXTERNAL",
            "SET STORAGE PLAIN",
            "SET NOT NULL",
            "SET COMPRESSION lz4",
            "SET COMPRESSION pglz",
            "DROP DEFAULT",
        ]
    )
    if world.chance(50):
        world.run(f"ALTER TABLE {table.reference} ALTER COLUMN {column.name} {action}")
    if world.chance(10) and len(table.columns) > 2:
        dropped = table.columns.pop()
        world.run(f"ALTER TABLE {table.reference} DROP COLUMN {dropped.name} CASCADE")
    if world.chance(10):
        made = Column(world.name(), "integer", "i")
        world.run(f"ALTER TABLE {table.reference} ADD COLUMN {made.name} integer DEFAULT 7 NOT NULL")
        table.columns.append(made)


def _child(world: World) -> None:
    parents = world.some(world.real_tables(), 2)
    if not parents:
        return
    extra = values.column(world)
    table = Table(world.make("TABLE", world.place()), [*parents[0].columns, extra], owner=parents[0].owner)
    listed = ", ".join(p.reference for p in parents)
    world.run(f"CREATE TABLE {table.reference} ({extra.name} {extra.type}) INHERITS ({listed})")
    world.tables.append(table)
    fill(world, table)
    if world.chance(20):
        world.run(f"ALTER TABLE {table.reference} ALTER COLUMN {table.columns[0].name} SET DEFAULT 5")
    if world.chance(15):
        world.run(f"ALTER TABLE {table.reference} NO INHERIT {parents[0].reference}")


def _typed(world: World) -> None:
    kind, table = world.make("TYPE", world.place()), Table(world.make("TABLE", world.place()), [], key=None)
    table.columns = [Column(world.name(), "integer", "i"), Column(world.name(), "text", values.texts_of_rows(world))]
    first, second = (c.name for c in table.columns)
    world.run(f"CREATE TYPE {kind} AS ({first} integer, {second} text)")
    world.run(f"CREATE TABLE {table.reference} OF {kind} ({first} WITH OPTIONS PRIMARY KEY)")
    table.key = first
    world.tables.append(table)
    fill(world, table)


def _columnless(world: World) -> None:
    name = world.make("TABLE", world.place())
    world.run(f"CREATE TABLE {name} ()")
    world.run(f"INSERT INTO {name} DEFAULT VALUES")
