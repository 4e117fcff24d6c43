"""Triggers with their states, rules, row security policies."""

from tests.generated.strategies.world import Table, World

_STATES = ("DISABLE TRIGGER {}", "ENABLE REPLICA TRIGGER {}", "ENABLE ALWAYS TRIGGER {}")


def reactions(world: World) -> None:
    """Some for each table."""
    for table in world.real_tables():
        if world.chance(35):
            _trigger(world, table)
        if world.chance(12):
            _rule(world, table)
        if world.chance(25):
            _policies(world, table)


def _trigger(world: World, table: Table) -> None:
    function, name, column = world.one(world.trigger_functions), world.name(), world.one(table.columns).name
    shape = world.one(
        [
            "BEFORE INSERT ON {} FOR EACH ROW",
            "AFTER UPDATE OF {column} ON {} FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)",
            "AFTER DELETE ON {} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT",
            "BEFORE TRUNCATE ON {} FOR EACH STATEMENT",
            "AFTER INSERT OR UPDATE OR DELETE ON {} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            "AFTER INSERT ON {} FOR EACH ROW",
        ]
    )
    constraint = "CONSTRAINT " if "DEFERRABLE" in shape else ""
    where = shape.replace("{column}", column).replace("{}", table.reference)
    arguments = world.one(["", "'a', 'it''s;'", "1"])
    world.run(f"CREATE {constraint}TRIGGER {name} {where} EXECUTE FUNCTION {function}({arguments})")
    if world.chance(40):
        world.run(f"ALTER TABLE {table.reference} {world.one(_STATES).format(name)}")
    for leaf in table.leaves:
        if world.chance(25):
            world.run(f"ALTER TABLE {leaf} {world.one(_STATES).format(name)}")
    if world.chance(30):
        world.run(f"COMMENT ON TRIGGER {name} ON {table.reference} IS {world.text()}")


def _rule(world: World, table: Table) -> None:
    name = world.name()
    what = world.one(
        [
            "ON DELETE TO {} DO INSTEAD NOTHING",
            "ON UPDATE TO {} WHERE false DO INSTEAD SELECT 'a;b'",
            "ON INSERT TO {} WHERE false DO INSTEAD NOTHING",
        ]
    )
    world.run(f"CREATE RULE {name} AS {what.format(table.reference)}")
    if world.chance(40):
        world.run(f"ALTER TABLE {table.reference} {world.one(['DISABLE RULE', 'ENABLE REPLICA RULE', 'ENABLE ALWAYS RULE'])} {name}")
    if world.chance(30):
        world.run(f"COMMENT ON RULE {name} ON {table.reference} IS {world.text()}")


def _policies(world: World, table: Table) -> None:
    for _ in range(world.number(0, 2)):
        name, condition = world.name(), f"({table.columns[0].name} > 2 AND current_user <> 'x;y')"
        command = world.one(["", " FOR SELECT", " FOR INSERT", " FOR UPDATE", " FOR DELETE"])
        using = f" WITH CHECK {condition}" if command == " FOR INSERT" else f" USING {condition}"
        world.run(
            f"CREATE POLICY {name} ON {table.reference} AS {world.one(['PERMISSIVE', 'RESTRICTIVE'])}{command} TO {world.role()}{using}"
        )
        if world.chance(30):
            world.run(f"COMMENT ON POLICY {name} ON {table.reference} IS {world.text()}")
    if world.chance(80):
        world.run(f"ALTER TABLE {table.reference} ENABLE ROW LEVEL SECURITY")
    if world.chance(40):
        world.run(f"ALTER TABLE {table.reference} FORCE ROW LEVEL SECURITY")
