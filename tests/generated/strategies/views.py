"""Views and materialized views over what there is."""

from tests.generated.strategies.world import Column, Table, World


def views(world: World) -> None:
    """Several."""
    for _ in range(world.number(0, 3)):
        _view(world)
    for _ in range(world.number(0, 2)):
        _materialized(world)
    if world.chance(15):
        _recursive(world)
    if world.chance(20):
        _function_of_rows(world)


def _view(world: World) -> None:
    base, name = world.one(world.readable()), world.make("VIEW", world.place())
    options = ["security_barrier", "security_barrier = false", "check_option = local"]
    chosen = world.some(options + (["security_invoker = true"] if world.version >= 15 else []), 1)
    columns = [Column(world.name(), c.type, None) for c in base.columns]
    listed = ", ".join(f"{c.name} AS {v.name}" for c, v in zip(base.columns, columns, strict=True))
    world.run(f"CREATE VIEW {name}{f' WITH ({chosen[0]})' if chosen else ''} AS SELECT {listed} FROM {base.reference}")
    world.tables.append(Table(name, columns, kind="view"))
    if world.chance(25):
        world.run(f"ALTER VIEW {name} ALTER COLUMN {columns[0].name} SET DEFAULT 3")
    if world.chance(25):
        world.run(f"CREATE RULE {world.name()} AS ON INSERT TO {name} DO INSTEAD NOTHING")
    elif world.trigger_functions and world.chance(30):
        world.run(
            f"CREATE TRIGGER {world.name()} INSTEAD OF INSERT ON {name} FOR EACH ROW "
            f"EXECUTE FUNCTION {world.one(world.trigger_functions)}()"
        )
    world.make("COLUMN", f"{name}.{columns[0].name}")


def _materialized(world: World) -> None:
    base, name = world.one(world.readable()), world.make("MATERIALIZED VIEW", world.place())
    columns = [Column(world.name(), c.type, None) for c in base.columns]
    listed = ", ".join(f"{c.name} AS {v.name}" for c, v in zip(base.columns, columns, strict=True))
    data = world.one(["", "", "", " WITH NO DATA"])
    world.run(f"CREATE MATERIALIZED VIEW {name}{world.one(['', ' WITH (fillfactor = 80)'])} AS SELECT {listed} FROM {base.reference}{data}")
    if not data:
        world.tables.append(Table(name, columns, kind="matview"))
    if world.functions and world.chance(30):
        other = world.make("MATERIALIZED VIEW", world.place())
        world.run(
            f"CREATE MATERIALIZED VIEW {other} AS SELECT {world.one(world.functions)}(n) AS {world.name()} FROM generate_series(1, 5) AS n"
        )


def _recursive(world: World) -> None:
    name = world.make("VIEW", world.place())
    world.run(
        f"CREATE VIEW {name} AS WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n, 'a;''b' AS x FROM r"
    )


def _function_of_rows(world: World) -> None:
    """A function that takes a table's row, one that returns it, and a view over that."""
    base = world.one(world.readable())
    takes, returns = world.place(), world.place()
    world.run(f"CREATE FUNCTION {takes}({base.reference}) RETURNS text LANGUAGE sql STABLE AS $sql$SELECT $1::text$sql$")
    world.run(f"CREATE FUNCTION {returns}() RETURNS SETOF {base.reference} LANGUAGE sql STABLE AS $sql$SELECT * FROM {base.reference}$sql$")
    world.run(f"CREATE VIEW {world.make('VIEW', world.place())} AS SELECT {takes}(x) AS shown FROM {returns}() AS x")
    world.make("FUNCTION", f"{returns}()")
