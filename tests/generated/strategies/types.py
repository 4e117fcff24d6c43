"""Enums, composites, domains, ranges, base types."""

from tests.generated.strategies import values
from tests.generated.strategies.world import World


def schemas(world: World) -> None:
    """Up to three schemas besides public."""
    for _ in range(world.number(0, 3)):
        world.schemas.append(world.make("SCHEMA", name := world.name()))
        world.run(f"CREATE SCHEMA {name}")


def types(world: World) -> None:
    """Some of each kind."""
    for make in (_enum, _composite, _domain, _domain, _range, _base, _shell):
        if world.chance(45):
            make(world)


def _enum(world: World) -> None:
    name, labels = world.make("TYPE", world.place()), [f"E'l{n}'" for n in range(3)]
    world.run(f"CREATE TYPE {name} AS ENUM ({', '.join(labels)}, {world.text()})")
    if world.chance(30):
        world.run(f"ALTER TYPE {name} ADD VALUE 'between; it''s' BEFORE 'l1'")
    world.types.append((name, f"('l' || i % 3)::{name}"))
    world.types.append((f"{name}[]", f"ARRAY['l0', NULL, 'l1']::{name}[]"))


def _composite(world: World) -> None:
    name, first, second = world.make("TYPE", world.place()), world.name(), world.name()
    type_, value = world.one(sorted(values.plain_types(world).items()))
    collation = ' COLLATE "C"' if world.chance(30) else ""
    world.run(f"CREATE TYPE {name} AS ({first} {type_}, {second} text{collation})")
    world.make("COLUMN", f"{name}.{first}")
    world.types.append((name, f"ROW({value}, {world.text()} || i)::{name}"))


def _domain(world: World) -> None:
    name = world.make("DOMAIN", world.place())
    options = world.some(["NOT NULL", "DEFAULT 'd'", 'COLLATE "C"'], 2)
    checks = "".join(f" CONSTRAINT {world.name()} CHECK (length(VALUE) < {n + 900})" for n in range(world.number(0, 2)))
    order = sorted(options)
    world.run(f"CREATE DOMAIN {name} AS text {' '.join(order)}{checks}")
    if world.chance(40):
        constraint = world.name()
        world.run(f"ALTER DOMAIN {name} ADD CONSTRAINT {constraint} CHECK (VALUE <> 'bad;') NOT VALID")
        world.run(f"COMMENT ON CONSTRAINT {constraint} ON DOMAIN {name} IS {world.text()}")
    if "NOT NULL" not in options:
        world.types.append((name, f"('dom' || i)::{name}"))


def _range(world: World) -> None:
    name = world.make("TYPE", world.place())
    subtype, low, high = world.one([("numeric", "i", "i + 1"), ("text", "'a'", "'b' || i"), ("time", "'00:00'", "'12:00'")])
    more = f", multirange_type_name = {world.place()}" if world.version >= 14 and world.chance(40) else ""
    collation = ', collation = "C"' if subtype == "text" else ""
    world.run(f"CREATE TYPE {name} AS RANGE (subtype = {subtype}{collation}{more})")
    world.types.append((name, f"{name}({low}, {high})"))


def _base(world: World) -> None:
    """A base type of built-in functions: only a superuser makes one."""
    if not world.hard:
        return
    name, into, out = world.make("TYPE", world.place()), world.place(), world.place()
    world.run(f"CREATE TYPE {name}", None)
    world.run(f"CREATE FUNCTION {into}(cstring) RETURNS {name} LANGUAGE internal IMMUTABLE STRICT AS 'int8in'", None)
    world.run(f"CREATE FUNCTION {out}({name}) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out'", None)
    world.run(f"CREATE TYPE {name} (INPUT = {into}, OUTPUT = {out}, LIKE = bigint)", None)


def _shell(world: World) -> None:
    """A type that was announced and never made."""
    if world.hard:
        world.run(f"CREATE TYPE {world.place()}", None)
