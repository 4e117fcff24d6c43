"""A small database of every kind of object that a version of PostgreSQL knows, for restores between versions."""

from typing import Final

import psycopg

# The first version that knows them -> statements.
_SINCE: Final = {
    13: """
        CREATE EXTENSION citext;
        CREATE EXTENSION pg_stat_statements;
        CREATE EXTENSION dblink;
        CREATE SCHEMA stock;
        CREATE TYPE stock.state AS ENUM ('new', 'sold', 'it''s gone');
        CREATE TYPE stock.size AS (width int, height numeric(6, 2));
        CREATE TYPE stock.period AS RANGE (subtype = timestamptz);
        CREATE DOMAIN stock.price AS numeric(9, 2) DEFAULT 1 CHECK (VALUE >= 0);
        CREATE FUNCTION stock.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.seen := 2; RETURN NEW; END';
        CREATE FUNCTION stock.taxed(net numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT round(net * 1.19, 2)';
        CREATE PROCEDURE stock.nothing(INOUT number int) LANGUAGE plpgsql AS 'BEGIN number := number; END';
        CREATE TABLE stock.items (
            id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name citext COLLATE "C" NOT NULL UNIQUE, cost stock.price,
            gross numeric GENERATED ALWAYS AS (cost * 1.19) STORED, state stock.state DEFAULT 'new', size stock.size, sold stock.period,
            seen int DEFAULT 0, details jsonb, picture bytea, tags text[], CONSTRAINT cheap CHECK (cost < 100000) NOT VALID
        );
        INSERT INTO stock.items (name, cost, state, size, sold, details, picture, tags)
            SELECT 'item ' || i, i, 'sold', (i, 1.5)::stock.size, stock.period(now() - '1 day'::interval, now()),
            jsonb_build_object('ä', i), '\\x00ff', ARRAY['a', NULL, i::text] FROM generate_series(1, 400) i;
        CREATE INDEX items_state ON stock.items (state, lower(name)) INCLUDE (cost) WHERE cost > 1;
        CREATE STATISTICS stock.states (ndistinct, dependencies, mcv) ON state, seen FROM stock.items;
        CREATE TRIGGER stamped BEFORE UPDATE ON stock.items FOR EACH ROW
            WHEN (OLD.cost IS DISTINCT FROM NEW.cost) EXECUTE FUNCTION stock.stamp();
        ALTER TABLE stock.items DISABLE TRIGGER stamped;
        CREATE TABLE stock.moves (item int REFERENCES stock.items ON DELETE CASCADE, at date NOT NULL, amount int DEFAULT 1)
            PARTITION BY RANGE (at);
        CREATE TABLE stock.moves_old PARTITION OF stock.moves FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
        CREATE TABLE stock.moves_rest PARTITION OF stock.moves DEFAULT;
        CREATE INDEX ON stock.moves (at);
        INSERT INTO stock.moves SELECT i, date '2023-12-01' + i FROM generate_series(1, 100) i;
        CREATE VIEW stock.sold WITH (security_barrier) AS SELECT id, name FROM stock.items WHERE state = 'sold';
        CREATE MATERIALIZED VIEW stock.totals AS SELECT state, sum(cost) AS cost FROM stock.items GROUP BY state;
        CREATE AGGREGATE stock.product(numeric) (SFUNC = numeric_mul, STYPE = numeric, INITCOND = '1');
        CREATE OPERATOR stock.+% (FUNCTION = stock.taxed, RIGHTARG = numeric);
        CREATE RULE forget AS ON DELETE TO stock.sold DO INSTEAD NOTHING;
        ALTER TABLE stock.items ENABLE ROW LEVEL SECURITY;
        CREATE POLICY seen ON stock.items FOR SELECT TO PUBLIC USING (seen >= 0);
        GRANT SELECT, UPDATE (name) ON stock.items TO PUBLIC;
        GRANT USAGE ON SCHEMA stock TO PUBLIC;
        REVOKE EXECUTE ON FUNCTION stock.stamp() FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES IN SCHEMA stock GRANT SELECT ON TABLES TO PUBLIC;
        COMMENT ON COLUMN stock.items.name IS 'it''s a name; ';
        CREATE TABLE kept (id serial, note text DEFAULT 'x');
        INSERT INTO kept (note) VALUES (NULL), (''), (E'a\\tb\\\\.');
        SELECT lo_from_bytea(4711, 'a large object');
    """,
    14: """
        CREATE FUNCTION stock.halved(net numeric) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN net / 2;
        CREATE TABLE stock.open (hours datemultirange, half numeric);
        INSERT INTO stock.open VALUES ('{}', stock.halved(3));
        CREATE STATISTICS stock.halves ON (half * 2), hours FROM stock.open;
    """,
    15: """
        CREATE TABLE stock.codes (code int UNIQUE NULLS NOT DISTINCT);
        INSERT INTO stock.codes VALUES (NULL), (1);
        CREATE VIEW stock.mine WITH (security_invoker) AS SELECT code FROM stock.codes;
    """,
    16: "ALTER TABLE stock.codes ALTER COLUMN code SET STORAGE DEFAULT;",
    17: "GRANT MAINTAIN ON stock.codes TO PUBLIC;",
    18: """
        CREATE TABLE stock.loans (item int NOT NULL, during daterange, days int GENERATED ALWAYS AS (item * 2) VIRTUAL,
            CONSTRAINT told CHECK (item > 0) NOT ENFORCED);
        INSERT INTO stock.loans VALUES (1, '[2024-01-01,2024-02-01)'), (-1, NULL);
        CREATE TABLE stock.leases (item int4range, during daterange, PRIMARY KEY (item, during WITHOUT OVERLAPS));
        INSERT INTO stock.leases VALUES ('[1,2)', '[2024-01-01,2024-02-01)');
    """,
}


def create(dsn: str) -> None:
    """Fill an empty database as its owner, with all that the server's version knows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for since, statements in _SINCE.items():
            if connection.info.server_version >= since * 10000:
                connection.execute(statements.encode())
