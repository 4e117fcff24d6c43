"""A real PostgreSQL server for the tests of this folder, started once."""

from collections.abc import Iterator

import psycopg
import pytest

from localcloud.base import certificates
from localcloud.postgresql import server as postgresql
from localcloud.postgresql import versions as postgresql_versions
from tests import moto_process
from tests.databases.clouds import Clouds
from tests.databases.restore_case import Cloud
from tests.server_folder import server_folder

SMALL = """
CREATE TABLE items (id serial PRIMARY KEY, label text NOT NULL);
INSERT INTO items (label) SELECT 'item ' || i FROM generate_series(1, 3000) AS i;
CREATE TABLE lines (item integer REFERENCES items, amount numeric CHECK (amount > 0));
INSERT INTO lines SELECT i, i FROM generate_series(1, 3000) AS i;
CREATE INDEX lines_item ON lines (item);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION note();
CREATE VIEW totals AS SELECT sum(amount) FROM lines;
SELECT lo_from_bytea(0, '\\x0102');
"""

# As few locks as the smallest RDS instance has, in proportion. No server outlives a crash here, so nothing is written for one.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
    "max_locks_per_transaction": "24",
    "max_prepared_transactions": "2",
}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    """Who signed the server's certificate."""
    return certificates.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def clouds(authority: certificates.Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clouds]:
    """S3 with the repository and the evidence bucket, Secrets Manager, and one target server per version that is asked for."""
    with moto_process.served() as address, server_folder("dbrestore-test-") as directory:
        made = Clouds(address, authority, directory, tmp_path_factory.mktemp("cloud"), SETTINGS)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="session")
def cloud(clouds: Clouds) -> Cloud:
    """The one whose server is of the version that the local cloud prefers."""
    return clouds.of(postgresql_versions.DEFAULT)


@pytest.fixture(scope="session")
def server(cloud: Cloud) -> postgresql.Server:
    """A running server with the RDS-like master user `master`, password `secret`."""
    return cloud.server


@pytest.fixture(scope="session")
def small(cloud: Cloud) -> str:
    """A database of a few tables with rows, an index, a trigger, a sequence and a large object."""
    cloud.create_database("small")
    cloud.execute(SMALL, "small")
    return "small"


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a temporary database, login or lent membership behind; what else it made is dropped."""
    if "cloud" not in request.fixturenames:
        yield
        return
    cloud: Cloud = request.getfixturevalue("cloud")
    databases_before, roles_before, lent_before = standing(cloud)
    yield
    databases, roles, lent_now = standing(cloud)
    for name in databases - databases_before:
        cloud.drop_database(name)
    for name in roles - roles_before:
        cloud.drop_role(name)
    # A holder stays with a database that was promoted.
    left = [name for name in databases | roles if name.startswith("dbrestore-") and not name.endswith("-holder")]
    assert not left
    assert lent_now <= lent_before | {row for row in lent_now if row[0] not in roles_before}


def standing(cloud: Cloud) -> tuple[set[str], set[str], set[tuple[object, ...]]]:
    """Databases, roles, and the memberships that the master user has given. Through the socket: a login over TLS takes longer than that."""
    names, roles, lent = (
        "SELECT datname FROM pg_database",
        "SELECT rolname FROM pg_roles",
        "SELECT roleid::regrole::text, member::regrole::text, grantor::regrole::text FROM pg_auth_members",
    )
    with psycopg.connect(cloud.server.superuser_dsn(), autocommit=True) as connection:
        return (
            {row[0] for row in connection.execute(names)},
            {row[0] for row in connection.execute(roles)},
            {row for row in connection.execute(lent) if row[2] == "master"},
        )
