"""Owners, privileges, default privileges, comments, settings: over everything that was made."""

from tests.generated.script import FOREIGN, GONE, OWNER, OWNERS
from tests.generated.strategies.names import quoted
from tests.generated.strategies.world import Made, World

_GRANTS = {
    "TABLE": ("TABLE", ("SELECT", "INSERT, UPDATE", "ALL", "TRUNCATE, REFERENCES", "TRIGGER", "DELETE")),
    "VIEW": ("TABLE", ("SELECT", "ALL")),
    "MATERIALIZED VIEW": ("TABLE", ("SELECT",)),
    "SEQUENCE": ("SEQUENCE", ("USAGE", "SELECT, UPDATE", "ALL")),
    "SCHEMA": ("SCHEMA", ("USAGE", "CREATE", "ALL")),
    "FUNCTION": ("FUNCTION", ("EXECUTE",)),
    "PROCEDURE": ("PROCEDURE", ("EXECUTE",)),
    "AGGREGATE": ("FUNCTION", ("EXECUTE",)),
    "TYPE": ("TYPE", ("USAGE",)),
    "DOMAIN": ("DOMAIN", ("USAGE",)),
    "LARGE OBJECT": ("LARGE OBJECT", ("SELECT", "UPDATE", "ALL")),
}
_WITHOUT_OWNER = ("CAST", "COLUMN", "INDEX")
_DEFAULTS = ("SELECT ON TABLES", "ALL ON SEQUENCES", "EXECUTE ON FUNCTIONS", "USAGE ON TYPES")


def rights(world: World) -> None:
    """Comments, then privileges, then owners; the privileges move with the owners."""
    for made in world.made:
        if world.chance(20):
            world.run(f"COMMENT ON {made.kind} {made.reference} IS {world.text()}")
        if made.kind in _GRANTS and world.chance(30):
            _grant(world, made)
        elif made.kind == "COLUMN" and world.chance(10):
            table, column = made.reference.rsplit('."', 1)
            world.run(f'GRANT {world.one(["SELECT", "UPDATE", "REFERENCES"])} ("{column}) ON {table} TO {world.role()}')
    for made in world.made:
        if made.kind not in _WITHOUT_OWNER and world.chance(25):
            owner = world.one([GONE, FOREIGN]) if world.chance(6) else world.one(OWNERS)
            world.run(f"ALTER {made.kind} {made.reference} OWNER TO {quoted(owner)}", None)
    _defaults(world)
    _database(world)


def _grant(world: World, made: Made) -> None:
    kind, choices = _GRANTS[made.kind]
    grantee = world.role()
    option = " WITH GRANT OPTION" if grantee != "PUBLIC" and world.chance(20) else ""
    world.run(f"GRANT {world.one(choices)} ON {kind} {made.reference} TO {grantee}{option}")
    if option and world.chance(50):
        world.run(f"GRANT {world.one(choices)} ON {kind} {made.reference} TO gen_reader", grantee[1:-1].replace('""', '"'))
    if world.chance(20):
        world.run(f"REVOKE ALL ON {kind} {made.reference} FROM {world.one(['PUBLIC', quoted(OWNER)])}")


def _defaults(world: World) -> None:
    for _ in range(world.number(0, 3)):
        schema = f" IN SCHEMA {world.one(world.schemas)}" if world.chance(50) else ""
        action = world.one(
            [
                "GRANT {} TO gen_reader",
                "GRANT {} TO PUBLIC",
                "REVOKE {} FROM PUBLIC",
                "GRANT {} TO gen_first WITH GRANT OPTION",
            ]
        )
        world.run(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {quoted(world.one(OWNERS))}{schema} {action.format(world.one(_DEFAULTS))}",
            None,
        )


def _database(world: World) -> None:
    """`%` stands for the database's quoted name in what `format` makes."""
    chosen = world.some(
        [
            "COMMENT ON DATABASE %I IS ''it''''s; a database''",
            "ALTER DATABASE %I SET work_mem = ''3MB''",
            "GRANT CONNECT ON DATABASE %I TO gen_reader",
            "ALTER ROLE gen_reader IN DATABASE %I SET lock_timeout = 5000",
            "REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC",
            "ALTER DATABASE %I SET search_path = public, pg_temp",
            "ALTER DATABASE %I CONNECTION LIMIT 50",
        ],
        2,
    )
    for statement in chosen:
        world.run(f"DO $do$ BEGIN EXECUTE format('{statement}', current_database()); END $do$", None)
