"""Names of any shape are names and nothing else."""

import psycopg
import pytest
from psycopg import sql

from tests.databases.restore_case import Cloud, Restore

NAMES = [
    "quote \" and ' and `",
    "UPPER and space",
    "semi;colon -- comment /* open",
    "$(touch /tmp/x) ${HOME} `id`",
    "../../etc/passwd",
    "🐘 große Daten",
    "x" * 63,
    "dbname=postgres host=localhost",
    "%s {} %(name)s",
    "back\\slash",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_database_of_any_name_comes_back_under_any_name(cloud: Cloud, name: str) -> None:
    cloud.create_database(name)
    identifier = sql.Identifier(name[:50])
    with psycopg.connect(cloud.dsn(name), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE SCHEMA {0}; CREATE TABLE {0}.{0} ({0} int PRIMARY KEY); INSERT INTO {0}.{0} VALUES (7)").format(identifier)
        )
        connection.execute(
            sql.SQL("CREATE SEQUENCE {0}.{1}; CREATE VIEW {0}.{2} AS SELECT * FROM {0}.{0}").format(
                identifier, sql.Identifier("s" + name[:40]), sql.Identifier("v" + name[:40])
            )
        )
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(name)))
        connection.execute(sql.SQL("COMMENT ON TABLE {0}.{0} IS {1}").format(identifier, sql.Literal(name)))
    dump = cloud.dump(name)
    cloud.drop_database(name)
    restore = Restore(cloud, {name: dump}, {name: name})
    restore.add_point()

    (database,) = restore.run_all().databases

    assert (database.status, database.error) == ("PROMOTED", None)
    with psycopg.connect(cloud.dsn(name)) as connection:
        assert connection.execute(sql.SQL("SELECT {0} FROM {0}.{1}").format(identifier, sql.Identifier("v" + name[:40]))).fetchall() == [
            (7,)
        ]
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
        assert connection.execute(query, [name]).fetchone() == (name,)
