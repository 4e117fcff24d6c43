"""The extensions that a restore may create when the configuration has no list of its own.

RDS offers more. Left out is what gives code of a dump reach beyond its database: foreign data wrappers, dblink and replication (other hosts
and databases), pg_cron (commands in any database), orafce (files, and pipes between databases), the aws_ extensions, what reads files, logs
or the operating system, untrusted languages, and what installs code of its own (pg_tle, plrust). Trusted languages can do what SQL can.
"""

from typing import Final

DEFAULT_EXTENSIONS: Final = (
    "address_standardizer", "address_standardizer_data_us", "amcheck", "autoinc", "bloom", "bool_plperl", "btree_gin", "btree_gist",
    "citext", "cube", "dict_int", "dict_xsyn", "earthdistance", "fuzzystrmatch", "h3", "h3_postgis", "hll", "hstore", "hstore_plperl",
    "hypopg", "insert_username", "intagg", "intarray", "ip4r", "isn", "jsonb_plperl", "lo", "ltree", "moddatetime", "old_snapshot",
    "pageinspect", "pg_bigm", "pg_buffercache", "pg_freespacemap", "pg_hint_plan", "pg_partman", "pg_prewarm", "pg_repack",
    "pg_similarity", "pg_stat_statements", "pg_trgm", "pg_visibility", "pg_walinspect", "pgaudit", "pgcollection", "pgcrypto",
    "pgrouting", "pgrowlocks", "pgstattuple", "pgtap", "plcoffee", "plls", "plperl", "plpgsql", "plprofiler", "pltcl", "plv8",
    "postgis", "postgis_raster", "postgis_tiger_geocoder", "postgis_topology", "prefix", "rdkit", "rds_tools", "refint", "seg",
    "sslinfo", "tablefunc", "tcn", "test_parser", "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
)  # fmt: skip
