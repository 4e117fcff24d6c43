"""A database that tries to break out wherever a database can hold code: each kind of object runs every attempt, and the server's log tells
who ran it.

In the source, whose name is `SOURCE`, all of it holds still.
"""

from typing import Final

SOURCE: Final = "hostile"
BACK: Final = "hostile_back"
NEIGHBOUR: Final = "neighbour_db"
# What marks the lines of the server's log.
MARK: Final = "campaign"
TRACE: Final = "/tmp/dbrestore-campaign"

# %1$I is the current database; each is one command, in a block that catches its error.
ATTEMPTS: Final = {
    "reset role": "RESET ROLE",
    "reset authorization": "RESET SESSION AUTHORIZATION",
    "become master": "SET ROLE master",
    "become rds_superuser": "SET ROLE rds_superuser",
    "log in as master": "SET SESSION AUTHORIZATION master",
    "create a superuser": "CREATE ROLE intruder SUPERUSER LOGIN",
    "create a login": "CREATE ROLE intruder LOGIN PASSWORD ''x''",
    "master's password": "ALTER ROLE master PASSWORD ''pwned''",
    "master's settings": "ALTER ROLE master SET search_path = evil, pg_catalog",
    "master's settings here": "ALTER ROLE master IN DATABASE %1$I SET search_path = evil, pg_catalog",
    "everybody's settings": "ALTER ROLE ALL SET search_path = evil, pg_catalog",
    "a neighbour's password": "ALTER ROLE neighbour PASSWORD ''pwned''",
    "own attributes": "ALTER ROLE CURRENT_USER CREATEROLE CREATEDB",
    "membership in master": "GRANT master TO CURRENT_USER",
    "membership in rds_superuser": "GRANT rds_superuser TO CURRENT_USER",
    "membership in pg_read_all_data": "GRANT pg_read_all_data TO CURRENT_USER",
    "membership in pg_execute_server_program": "GRANT pg_execute_server_program TO CURRENT_USER",
    "itself to a neighbour": "GRANT CURRENT_USER TO neighbour",
    "settings of the database": "ALTER DATABASE %1$I SET search_path = evil, pg_catalog",
    "settings of another database": "ALTER DATABASE neighbour_db SET search_path = evil, pg_catalog",
    "name of the database": "ALTER DATABASE %1$I RENAME TO mine",
    "owner of the database": "ALTER DATABASE %1$I OWNER TO CURRENT_USER",
    "a template": "ALTER DATABASE %1$I IS_TEMPLATE true",
    "a connection limit": "ALTER DATABASE %1$I CONNECTION LIMIT 0",
    "a grant on the database": "GRANT ALL ON DATABASE %1$I TO PUBLIC",
    "a grant on another database": "GRANT ALL ON DATABASE neighbour_db TO PUBLIC",
    "drop another database": "DROP DATABASE neighbour_db",
    "create a database": "CREATE DATABASE intruder",
    "a parameter of the server": "ALTER SYSTEM SET log_statement = ''all''",
    "the right to a parameter": "GRANT SET ON PARAMETER log_statement TO CURRENT_USER",
    "a program": f"COPY (SELECT 1) TO PROGRAM ''cat > {TRACE}''",
    "a file": f"COPY (SELECT 1) TO ''{TRACE}''",
    "read a file by COPY": "COPY public.stolen FROM ''/etc/passwd''",
    "read a file": "SELECT pg_catalog.pg_read_file(''pg_hba.conf'')",
    "read a folder": "SELECT pg_catalog.pg_ls_dir(''.'')",
    "export a large object": f"SELECT pg_catalog.lo_export(pg_catalog.lo_create(0), ''{TRACE}'')",
    "import a large object": "SELECT pg_catalog.lo_import(''/etc/passwd'')",
    "dblink": "CREATE EXTENSION dblink SCHEMA public",
    "postgres_fdw": "CREATE EXTENSION postgres_fdw SCHEMA public",
    "file_fdw": "CREATE EXTENSION file_fdw SCHEMA public",
    "an event trigger": "CREATE EVENT TRIGGER intruder ON ddl_command_end EXECUTE FUNCTION public.on_event()",
    "publish everything": "CREATE PUBLICATION intruder FOR ALL TABLES",
    "publish a table": "CREATE PUBLICATION intruder FOR TABLE public.stolen",
    "subscribe": "CREATE SUBSCRIPTION intruder CONNECTION ''host=localhost'' PUBLICATION p WITH (connect = false)",
    "give a table to master": "ALTER TABLE public.stolen OWNER TO master",
    "give a table to pg_database_owner": "ALTER TABLE public.stolen OWNER TO pg_database_owner",
    "give a function to master": "ALTER FUNCTION public.definer() OWNER TO master",
    "give all to master": "REASSIGN OWNED BY CURRENT_USER TO master",
    "take all from master": "REASSIGN OWNED BY master TO CURRENT_USER",
    "drop all of master": "DROP OWNED BY master",
    "end a neighbour's session": "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
    "WHERE usename = ''neighbour''",
    "cancel a neighbour": "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = ''neighbour''",
    "reload": "SELECT pg_catalog.pg_reload_conf()",
    "switch WAL": "SELECT pg_catalog.pg_switch_wal()",
    "a replication slot": "SELECT pg_catalog.pg_create_physical_replication_slot(''intruder'')",
    "replica": "SELECT pg_catalog.set_config(''session_replication_role'', ''replica'', false)",
    "preload": "SELECT pg_catalog.set_config(''session_preload_libraries'', ''x'', false)",
    "load a library": "LOAD ''/tmp/x.so''",
    "code in C": "CREATE FUNCTION public.c() RETURNS int LANGUAGE c AS ''/tmp/x.so''",
    "an untrusted language": "CREATE EXTENSION plpython3u",
    "a security label": "SECURITY LABEL ON ROLE master IS ''x''",
    "default privileges of master": "ALTER DEFAULT PRIVILEGES FOR ROLE master GRANT ALL ON TABLES TO PUBLIC",
    "a comment on a role": "COMMENT ON ROLE master IS ''dbrestore x: made because a dump names it''",
    "a comment on the database": "COMMENT ON DATABASE %1$I IS ''mine''",
    "a tablespace": "CREATE TABLESPACE intruder LOCATION ''/tmp''",
    "prepare a transaction": "PREPARE TRANSACTION ''intruder''",
    "write the catalogue": "UPDATE pg_catalog.pg_authid SET rolsuper = true",
    "read passwords": "SELECT rolpassword FROM pg_catalog.pg_authid",
    "an operator class": "CREATE OPERATOR CLASS public.evil DEFAULT FOR TYPE public.coin USING btree AS STORAGE int",
    "a binary cast": "CREATE CAST (public.coin AS int) WITHOUT FUNCTION",
    "notify": "NOTIFY campaign, ''x''",
    "an advisory lock": "SELECT pg_catalog.pg_try_advisory_lock(1)",
    "a function besides": "CREATE OR REPLACE FUNCTION public.besides() RETURNS text SECURITY DEFINER LANGUAGE sql "
    "AS ''SELECT current_user::text''",
}
# These are no gain: whoever is nobody stays so, a GRANT without the right to grant is a warning, and what is made belongs to its maker.
HARMLESS: Final = frozenset(
    {
        "reset role",
        "reset authorization",
        "notify",
        "an advisory lock",
        "a function besides",
        "publish a table",
        "a grant on the database",
        "a grant on another database",
    }
)

# {f}: a function of int that may stand in an expression. {t}: the name of the table.
_ROWS: Final = "INSERT INTO {t} (x) SELECT generate_series(1, 3)"
KINDS: Final = {
    "check": f"CREATE TABLE {{t}} (x int CHECK ({{f}}(x) > 0)); {_ROWS}",
    "domain": f"CREATE DOMAIN {{t}}_d AS int CHECK ({{f}}(VALUE) > 0); CREATE TABLE {{t}} (x {{t}}_d); {_ROWS}",
    "domain over domain": "CREATE DOMAIN {t}_i AS int CHECK ({f}(VALUE) > 0); CREATE DOMAIN {t}_d AS {t}_i NOT NULL; "
    f"CREATE TABLE {{t}} (x {{t}}_d); {_ROWS}",
    "generated column": f"CREATE TABLE {{t}} (x int, y int GENERATED ALWAYS AS ({{f}}(x)) STORED); {_ROWS}",
    "default": f"CREATE TABLE {{t}} (x int, y int DEFAULT {{f}}(1)); {_ROWS}",
    "expression index": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE INDEX ON {{t}} ({{f}}(x))",
    "unique index": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE UNIQUE INDEX {{t}}_u ON {{t}} ({{f}}(x))",
    "brin index": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE INDEX ON {{t}} USING brin ({{f}}(x))",
    "partial index": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE INDEX ON {{t}} (x) WHERE {{f}}(x) > 0",
    "statistics": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE STATISTICS {{t}}_s ON {{f}}(x), x FROM {{t}}",
    "materialized view": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE MATERIALIZED VIEW {{t}}_m AS SELECT {{f}}(x) FROM {{t}}",
    "view": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE VIEW {{t}}_v AS SELECT {{f}}(x) AS x FROM {{t}}; "
    "CREATE MATERIALIZED VIEW {t}_m AS SELECT * FROM {t}_v",
    "trigger": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE TRIGGER a BEFORE INSERT ON {{t}} FOR EACH ROW EXECUTE FUNCTION on_row()",
    "constraint trigger": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE CONSTRAINT TRIGGER a AFTER INSERT ON {{t}} DEFERRABLE "
    "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION on_row()",
    "rule": f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE RULE a AS ON INSERT TO {{t}} DO ALSO SELECT {{f}}(NEW.x)",
    "policy": f"CREATE TABLE {{t}} (x int); {_ROWS}; ALTER TABLE {{t}} ENABLE ROW LEVEL SECURITY; ALTER TABLE {{t}} FORCE ROW LEVEL "
    "SECURITY; CREATE POLICY a ON {t} USING ({f}(x) > 0)",
    "operator": "CREATE OPERATOR public.@{n}@ (RIGHTARG = int, FUNCTION = {f}); "
    f"CREATE TABLE {{t}} (x int); {_ROWS}; CREATE INDEX ON {{t}} ((OPERATOR(public.@{{n}}@) x))",
    "cast": "CREATE TYPE {t}_c AS (x int); CREATE FUNCTION {t}_f(int) RETURNS {t}_c LANGUAGE plpgsql IMMUTABLE AS "
    "'BEGIN RETURN ROW({f}($1)); END'; CREATE CAST (int AS {t}_c) WITH FUNCTION {t}_f(int); "
    f"CREATE TABLE {{t}} (x int CHECK ((x::{{t}}_c).x > 0)); {_ROWS}",
    "aggregate": "CREATE FUNCTION {t}_f(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN {f}($2); END'; "
    f"CREATE AGGREGATE {{t}}_a(int) (SFUNC = {{t}}_f, STYPE = int); CREATE TABLE {{t}} (x int); {_ROWS}; "
    "CREATE MATERIALIZED VIEW {t}_m AS SELECT {t}_a(x) FROM {t}",
    # It tries nothing: a block that catches an error lets go of the locks that GiST holds here, and the server fails.
    "range": "CREATE FUNCTION {t}_f(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS "
    f"$f$ BEGIN IF current_database() <> '{SOURCE}' THEN "
    f"RAISE LOG '{MARK}|ran|range|%|%|%', session_user, current_user, current_database(); END IF; RETURN $1 - $2; END $f$; "
    "CREATE TYPE {t}_r AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = {t}_f); CREATE TABLE {t} (x int, r {t}_r); INSERT INTO {t} "
    "SELECT i, {t}_r(i, i + 5) FROM generate_series(1, 400) AS i; CREATE INDEX ON {t} USING gist (r)",
    "partition key": "CREATE TABLE {t} (x int) PARTITION BY RANGE ({f}(x)); CREATE TABLE {t}_p PARTITION OF {t} "
    f"FOR VALUES FROM (0) TO (100); {_ROWS}",
    "foreign key": "CREATE FUNCTION {t}_f(coin) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN {f}(1); END'; "
    "CREATE CAST (coin AS int) WITH FUNCTION {t}_f(coin) AS IMPLICIT; CREATE TABLE {t} (x int PRIMARY KEY); "
    f"{_ROWS}; CREATE TABLE {{t}}_k (x coin REFERENCES {{t}}); INSERT INTO {{t}}_k VALUES (ROW(1))",
    "body in SQL": "CREATE FUNCTION {t}_f(int) RETURNS int IMMUTABLE BEGIN ATOMIC SELECT {f}($1); END; "
    f"CREATE TABLE {{t}} (x int CHECK ({{t}}_f(x) > 0)); {_ROWS}",
    "exclusion": f"CREATE TABLE {{t}} (x int, EXCLUDE USING gist (int4range({{f}}(x), x + 1) WITH &&)); {_ROWS}",
    "procedure": "CREATE PROCEDURE {t}() LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM {f}(1); END'",
    "security definer": "CREATE FUNCTION {t}() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN {f}(1); END'",
}
# Tables whose expressions autovacuum evaluates.
_EVALUATED: Final = ("expression index", "unique index", "brin index", "partial index", "statistics", "operator")


def table(kind: str) -> str:
    """The table (or routine) of a kind."""
    return "k_" + kind.replace(" ", "_")


def statements(kinds: tuple[str, ...]) -> str:
    """Everything that the source holds."""
    made = [_common(tuple(kind for kind in kinds if kind in _EVALUATED))]
    for number, kind in enumerate(kinds):
        f, name = f"public.f_{table(kind)}", table(kind)
        made.append(
            f"CREATE FUNCTION {f}(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS "
            f"$f$ BEGIN PERFORM public.attack('{kind}'); RETURN $1; END $f$"
        )
        made.append(KINDS[kind].format(f=f, t=name, n="#" * (number + 1)))
        if kind in _EVALUATED:
            made.append(f"ALTER TABLE {name} SET (autovacuum_analyze_threshold = 1, autovacuum_analyze_scale_factor = 0)")
    return ";\n".join(made)


def _common(evaluated: tuple[str, ...]) -> str:
    """In the restored database each run leaves work for autovacuum, which then runs the code again."""
    tries = "\n".join(
        f"BEGIN EXECUTE format('{attempt}', current_database()); RAISE LOG '{MARK}|done|%|{name.replace(chr(39), chr(39) * 2)}|%|%', "
        "kind, current_user, current_database(); EXCEPTION WHEN OTHERS THEN NULL; END;"
        for name, attempt in ATTEMPTS.items()
    )
    churn = "\n".join(
        f"BEGIN INSERT INTO public.{table(kind)} (x) VALUES (11), (12); DELETE FROM public.{table(kind)} WHERE x > 10; "
        "EXCEPTION WHEN OTHERS THEN NULL; END;"
        for kind in evaluated
    )
    return f"""CREATE TABLE public.stolen (line text); CREATE TYPE coin AS (x int);
    CREATE FUNCTION public.on_event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE FUNCTION public.definer() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        PERFORM public.attack('definer'); RETURN current_user; END $$;
    CREATE FUNCTION public.on_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.attack('trigger'); RETURN NEW; END $$;
    CREATE FUNCTION public.attack(kind text) RETURNS void LANGUAGE plpgsql SET lock_timeout = '20ms' AS $$ BEGIN
        IF current_database() = '{SOURCE}' OR current_setting('campaign.busy', true) = 'yes' THEN RETURN; END IF;
        PERFORM pg_catalog.set_config('campaign.busy', 'yes', false);
        RAISE LOG '{MARK}|ran|%|%|%|%', kind, session_user, current_user, current_database();
        {tries}
        IF current_database() = '{BACK}' THEN {churn} END IF;
        PERFORM pg_catalog.set_config('campaign.busy', 'no', false);
    END $$"""
