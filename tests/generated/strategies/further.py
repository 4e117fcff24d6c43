"""Sequences, large objects, text search, collations, conversions, extensions and what is built with them."""

from tests.generated.strategies.names import quoted
from tests.generated.strategies.world import Column, Table, World

# Extension -> a column type with its value and an index shape, if it brings any.
EXTENSIONS: dict[str, tuple[str, str, str] | None] = {
    "citext": ("{}.citext", "('Word ' || i)::{}.citext", "btree ({})"),
    "hstore": ("{}.hstore", "('a=>' || i || ',b=>NULL')::{}.hstore", "gin ({})"),
    "ltree": ("{}.ltree", "('a.b' || i)::{}.ltree", "gist ({})"),
    "cube": ("{}.cube", "{}.cube(i, i + 1)", "gist ({})"),
    "isn": ("{}.isbn", "'978-0-393-04002-9'::{}.isbn", "btree ({})"),
    "seg": ("{}.seg", "(i || ' .. ' || i + 1)::{}.seg", "gist ({})"),
    "intarray": None,
    "pg_trgm": None,
    "btree_gist": None,
    "btree_gin": None,
    "unaccent": None,
    "fuzzystrmatch": None,
    "pgcrypto": None,
    "tablefunc": None,
    "dict_int": None,
    "tcn": None,
    "lo": None,
    "tsm_system_rows": None,
}
_PARAMETERS = (
    "INCREMENT -2 MAXVALUE 100 MINVALUE -100",
    "START 9 MINVALUE 5 CYCLE",
    "CACHE 20",
    "AS smallint",
    "INCREMENT 1000000 AS bigint",
    "MAXVALUE 9223372036854775807 START 9223372036854775806",
    "AS integer MINVALUE -5 START 0",
)

_COLLATIONS = (
    "locale = 'C'",
    "provider = icu, locale = 'de-u-kn'",
    "provider = icu, locale = 'und', deterministic = false",
)


def extensions(world: World) -> None:
    """Up to three, in public or a schema of their own."""
    for name in world.some(sorted(EXTENSIONS), 3):
        schema = world.one(world.schemas)
        world.run(f"CREATE EXTENSION {name} SCHEMA {schema} CASCADE", None)
        if world.chance(20):
            world.run(f"COMMENT ON EXTENSION {name} IS {world.text()}", None)
        brings = EXTENSIONS[name]
        if brings:
            type_, value, shape = (part.replace("{}", schema, 1) if "{}." in part else part for part in brings)
            world.types.append((type_, value))
            if world.chance(50):
                _table_with(world, type_, value, shape)


def _table_with(world: World, type_: str, value: str, shape: str) -> None:
    table = Table(world.make("TABLE", world.place()), [Column(world.name(), "integer", "i"), Column(world.name(), type_, value)])
    key, column = table.columns
    world.run(f"CREATE TABLE {table.reference} ({key.name} integer PRIMARY KEY, {column.name} {type_})")
    world.run(f"INSERT INTO {table.reference} SELECT i, {value} FROM generate_series(1, 30) AS i")
    world.run(f"CREATE INDEX {world.name()} ON {table.reference} USING {shape.replace('{}', column.name)}")
    table.key = key.name
    world.tables.append(table)


def sequences(world: World) -> None:
    """A few with odd settings."""
    for _ in range(world.number(0, 3)):
        name = world.make("SEQUENCE", world.place())
        unlogged = "UNLOGGED " if world.version >= 15 and world.chance(10) else ""
        world.run(f"CREATE {unlogged}SEQUENCE {name} {world.one(_PARAMETERS)}")
        if world.chance(60):
            world.run(f"SELECT setval('{name.replace(chr(39), chr(39) * 2)}', {world.one(['7, true', '9, false', '50'])})")
        if world.chance(20) and world.real_tables():
            table = world.one(world.real_tables())
            world.run(f"ALTER SEQUENCE {name} OWNED BY {table.reference}.{table.columns[0].name}")


def large_objects(world: World) -> None:
    """Groups of the same owner and privileges, as they are dumped together."""
    for number in range(world.number(0, 6)):
        oid = 20000 + number if world.chance(80) else 4200000000 + number
        content = world.one(["''", "decode('00ff0d0a5c', 'hex')", "convert_to(repeat('picture', 9000), 'SQL_ASCII')", "'\\x41'"])
        world.run(f"SELECT lo_from_bytea({oid}, {content}::bytea)")
        world.make("LARGE OBJECT", str(oid))


def texts(world: World) -> None:
    """Text search objects, collations, conversions."""
    for make in (_dictionary, _configuration, _collation, _conversion, _parser):
        if world.chance(20):
            make(world)


def _dictionary(world: World) -> None:
    name = world.make("TEXT SEARCH DICTIONARY", world.place())
    world.run(f"CREATE TEXT SEARCH DICTIONARY {name} (TEMPLATE = simple, ACCEPT = {world.one(['true', 'false'])})")


def _configuration(world: World) -> None:
    name, dictionary = world.make("TEXT SEARCH CONFIGURATION", world.place()), world.place()
    world.run(f"CREATE TEXT SEARCH CONFIGURATION {name} (COPY = pg_catalog.english)")
    world.run(f"CREATE TEXT SEARCH DICTIONARY {dictionary} (TEMPLATE = snowball, LANGUAGE = 'german')")
    world.run(f"ALTER TEXT SEARCH CONFIGURATION {name} ALTER MAPPING FOR asciiword, word WITH {dictionary}, simple")


def _collation(world: World) -> None:
    name = world.make("COLLATION", world.place())
    world.run(f"CREATE COLLATION {name} ({world.one(_COLLATIONS)})")


def _conversion(world: World) -> None:
    name = world.make("CONVERSION", world.place())
    world.run(f"CREATE {world.one(['', 'DEFAULT '])}CONVERSION {name} FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8")


def _parser(world: World) -> None:
    if world.hard:
        world.run(
            f"CREATE TEXT SEARCH PARSER {world.place()} "
            "(START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)",
            None,
        )
        world.run(f"CREATE TEXT SEARCH TEMPLATE {world.place()} (INIT = dsimple_init, LEXIZE = dsimple_lexize)", None)


def outside(world: World) -> None:
    """What acts beyond the database: expected to be left out, and told."""
    name, quotes = world.name(), quoted("gen_owner")
    for percent, statements in (
        (10, [f"CREATE PUBLICATION {name} FOR ALL TABLES", f"COMMENT ON PUBLICATION {name} IS 'p'"]),
        (
            8,
            [f"CREATE SUBSCRIPTION {name} CONNECTION 'dbname=x' PUBLICATION y WITH (connect = false, slot_name = NONE)"],
        ),
        (
            10,
            [
                f"CREATE FUNCTION public.{name}() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
                f"CREATE EVENT TRIGGER {name} ON ddl_command_start EXECUTE FUNCTION public.{name}()",
                f"ALTER EVENT TRIGGER {name} DISABLE",
            ],
        ),
        (
            8,
            [
                f"CREATE FOREIGN DATA WRAPPER {name}",
                f"CREATE SERVER {name} FOREIGN DATA WRAPPER {name}",
                f"ALTER SERVER {name} OWNER TO {quotes}",
                f"CREATE USER MAPPING FOR PUBLIC SERVER {name}",
                f"CREATE FOREIGN TABLE public.{name} (a integer) SERVER {name}",
                f"CREATE VIEW public.{world.name()} AS SELECT a FROM public.{name}",
            ],
        ),
        (
            6,
            [
                f"CREATE ACCESS METHOD {name} TYPE TABLE HANDLER heap_tableam_handler",
                f"CREATE TABLE public.{name} (a integer) USING {name}",
                f"INSERT INTO public.{name} VALUES (1)",
            ],
        ),
    ):
        if world.hard and world.chance(percent * 2):
            for statement in statements:
                world.run(statement, None)
