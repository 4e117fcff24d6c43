"""Functions, procedures, aggregates, operators, casts."""

from tests.generated.strategies.world import World

_SETTINGS = (
    "SET search_path TO public, pg_temp",
    "SET work_mem TO '4MB'",
    "SET \"DateStyle\" TO 'ISO, DMY'",
    "SET search_path TO ''",
    "SET statement_timeout TO '9s'",
    "SET search_path FROM CURRENT",
)
_ATTRIBUTES = ("IMMUTABLE", "STABLE", "STRICT", "SECURITY DEFINER", "PARALLEL SAFE", "COST 42", "LEAKPROOF")


def programs(world: World) -> None:
    """Several of each."""
    for _ in range(world.number(1, 5)):
        world.one([_scalar, _scalar, _plpgsql, _table_function, _out, _variadic, _procedure, _overloaded, _compiled])(world)
    for make, percent in (
        (_trigger_function, 100),
        (_aggregate, 40),
        (_operator, 40),
        (_shell_operator, 12),
        (_cast, 30),
        (_class, 40),
    ):
        if world.chance(percent):
            make(world)


def _function(world: World, signature: str, rest: str, kind: str = "FUNCTION", arguments: str | None = None) -> str:
    name = world.place()
    attributes = " ".join(a for a in world.some(_ATTRIBUTES, 2) if (a != "LEAKPROOF" or world.hard) and kind == "FUNCTION")
    settings = " ".join(world.some(_SETTINGS, 1)) if "$sql$" in rest or kind == "PROCEDURE" else ""
    role = None if "LEAKPROOF" in attributes else "gen_owner"
    rest = rest.replace("{attributes}", attributes).replace("{settings}", settings)
    world.run(f"CREATE {kind} {name}({signature}) {rest}", role)
    return world.make(kind, f"{name}({signature if arguments is None else arguments})")


def _scalar(world: World) -> None:
    body = world.one(["SELECT $1 + 1", "SELECT length('a;b''c') -- ;\n", "SELECT 1 /* $$ */"])
    name = _function(world, "integer", f"RETURNS integer LANGUAGE sql {{attributes}} {{settings}} AS $sql${body}$sql$")
    world.functions.append(name.removesuffix("(integer)"))


def _plpgsql(world: World) -> None:
    arguments = f"{world.name()} text, {world.name()} integer DEFAULT 5"
    body = "DECLARE x text := 'IS '''; BEGIN RETURN x || $2; END"
    _function(
        world,
        arguments,
        f"RETURNS text LANGUAGE plpgsql {{attributes}} {{settings}} AS $sql${body}$sql$",
        arguments="text, integer",
    )


def _table_function(world: World) -> None:
    _function(
        world,
        "n integer",
        f"RETURNS TABLE ({world.name()} integer, {world.name()} text) LANGUAGE sql ROWS 7 "
        "{attributes} {settings} AS $sql$SELECT i, i::text FROM generate_series(1, $1) AS i$sql$",
        arguments="integer",
    )


def _out(world: World) -> None:
    _function(
        world,
        "IN a integer, OUT b integer, INOUT c text",
        "LANGUAGE sql {attributes} {settings} AS $sql$SELECT $1, $2$sql$",
        arguments="integer, text",
    )


def _variadic(world: World) -> None:
    _function(
        world,
        "VARIADIC integer[]",
        "RETURNS bigint LANGUAGE sql {attributes} AS $sql$SELECT count(*) FROM unnest($1)$sql$",
    )


def _procedure(world: World) -> None:
    out = world.version >= 14 and world.chance(40)
    signature = "IN a integer, OUT b integer" if out else "a integer, INOUT b integer"
    name = world.place()
    arguments = "IN integer, OUT integer" if out else "integer, INOUT integer"
    world.run(f"CREATE PROCEDURE {name}({signature}) LANGUAGE plpgsql AS $sql$BEGIN b := a; END$sql$")
    world.make("PROCEDURE", f"{name}({arguments})")
    if world.chance(50) and world.version >= 14:
        world.run(f"CREATE PROCEDURE {name}(a text) LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT a; END")
        world.make("PROCEDURE", f"{name}(text)")


def _overloaded(world: World) -> None:
    name = world.place()
    for arguments in ("integer", "text", "integer[]", "timestamp with time zone, boolean", '"char", character varying'):
        world.run(f"CREATE FUNCTION {name}({arguments}) RETURNS text LANGUAGE sql IMMUTABLE AS $sql$SELECT 'x'$sql$")
        if world.chance(50):
            world.make("FUNCTION", f"{name}({arguments})")
    if world.version >= 14:
        world.run(f"CREATE FUNCTION {name}(a date) RETURNS integer IMMUTABLE RETURN extract(year FROM a)::integer")


def _compiled(world: World) -> None:
    """A function of the server's own code: only a superuser makes one."""
    if world.hard:
        world.run(
            f"CREATE FUNCTION {world.place()}(integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'int4abs'",
            None,
        )


def _trigger_function(world: World) -> None:
    name = world.place()
    world.run(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $sql$BEGIN RETURN NEW; END$sql$")
    world.make("FUNCTION", f"{name}()")
    world.trigger_functions.append(name)


def _aggregate(world: World) -> None:
    name = world.place()
    arguments, definition = world.one(
        [
            ("integer", "SFUNC = int4pl, STYPE = integer, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = SAFE"),
            ("text", "SFUNC = textcat, STYPE = text, INITCOND = 'it''s;'"),
            ("integer", "SFUNC = int4larger, STYPE = integer, SORTOP = >"),
            ("integer", "SFUNC = int4pl, STYPE = integer, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = integer"),
            ("ORDER BY integer", "SFUNC = int4pl, STYPE = integer, INITCOND = '0'"),
        ]
    )
    world.run(f"CREATE AGGREGATE {name}({arguments}) ({definition})")
    world.make("AGGREGATE", f"{name}({arguments})")


def _operator(world: World) -> None:
    symbol, schema = world.one(["@#@", "<->>", "~~~", "|+|", "=#="]), world.one(world.schemas)
    left, right, function = world.one(
        [
            ("integer", "integer", "int4pl"),
            ("text", "text", "textcat"),
            ("NONE", "integer", "int4um"),
            ("NONE", "bigint", "int8um"),
            ("numeric", "numeric", "numeric_eq"),
        ]
    )
    more = f", COMMUTATOR = OPERATOR({schema}.{symbol}), HASHES, MERGES" if function == "numeric_eq" else ""
    left_part = "" if left == "NONE" else f"LEFTARG = {left}, "
    world.run(f"CREATE OPERATOR {schema}.{symbol} ({left_part}RIGHTARG = {right}, FUNCTION = {function}{more})")
    world.make("OPERATOR", f"{schema}.{symbol} ({left}, {right})")
    if world.chance(40):
        world.run(f"CREATE OPERATOR {schema}.{symbol} (RIGHTARG = smallint, FUNCTION = int2um)")
        world.make("OPERATOR", f"{schema}.{symbol} (NONE, smallint)")


def _shell_operator(world: World) -> None:
    schema = world.one(world.schemas)
    world.run(
        f"CREATE OPERATOR {schema}.<<<= (LEFTARG = text, RIGHTARG = integer, FUNCTION = {_less(world)}, NEGATOR = OPERATOR({schema}.>>>>))"
    )
    world.make("OPERATOR", f"{schema}.<<<= (text, integer)")


def _less(world: World) -> str:
    name = world.place()
    world.run(f"CREATE FUNCTION {name}(text, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS $sql$SELECT length($1) < $2$sql$")
    return name


def _cast(world: World) -> None:
    enums = [t for t, value in world.types if "'l'" in value and not t.endswith("]")]
    if not enums:
        return
    enum, how = world.one(enums), world.one(["WITH INOUT", "WITH INOUT AS ASSIGNMENT", "WITH FUNCTION {}"])
    if "FUNCTION" in how:
        name = world.place()
        world.run(f"CREATE FUNCTION {name}({enum}) RETURNS integer LANGUAGE sql STABLE AS $sql$SELECT length($1::text)$sql$")
        how = how.format(f"{name}({enum}) AS IMPLICIT")
    world.run(f"CREATE CAST ({enum} AS integer) {how}")
    world.make("CAST", f"({enum} AS integer)")


def _class(world: World) -> None:
    """An operator class: only a superuser makes one."""
    if world.hard:
        name = world.place()
        world.run(
            f"CREATE OPERATOR CLASS {name} FOR TYPE integer USING btree "
            "AS OPERATOR 1 <, OPERATOR 3 =, FUNCTION 1 btint4cmp(integer, integer)",
            None,
        )
        world.make("OPERATOR CLASS", f"{name} USING btree")
