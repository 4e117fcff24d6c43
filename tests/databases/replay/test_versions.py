"""A database goes from each version of PostgreSQL into the same and into each newer one, dumped by its own pg_dump."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbrestore.contract.allowed.extensions import DEFAULT_EXTENSIONS
from dbrestore.contract.job import PostgresOptions
from localcloud.postgresql.versions import SERVERS
from tests.databases import version_sample
from tests.databases.clouds import Clouds
from tests.databases.equality import contents
from tests.databases.restore_case import Cloud, Restore

MAJORS = [version.split(".")[0] for version in SERVERS]
PAIRS = list(itertools.combinations_with_replacement(MAJORS, 2))
# The oldest into itself, where most differs; the newest from the one before it; and the step over most versions.
QUICK = [("13", "13"), ("17", "18"), ("13", "18")]


@dataclass(frozen=True)
class Dumped:
    """A dump and what the database held."""

    path: Path
    contents: dict[str, object]


@pytest.fixture(scope="module")
def dumped(clouds: Clouds) -> Callable[[str], Dumped]:
    """The sample of a version, made and dumped once."""
    made: dict[str, Dumped] = {}

    def of(version: str) -> Dumped:
        if version not in made:
            source = clouds.of(version)
            source.create_database("stock")
            version_sample.create(source.dsn("stock"))
            made[version] = Dumped(source.dump("stock"), contents(source, "stock"))
        return made[version]

    return of


@pytest.mark.parametrize(("source", "target"), [pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.slow) for pair in PAIRS])
def test_a_database_goes_from_version_to_version(clouds: Clouds, dumped: Callable[[str], Dumped], source: str, target: str) -> None:
    dump, cloud, name = dumped(source), clouds.of(target), f"from_{source}"
    before = lent(cloud)
    options = PostgresOptions(allowed_extensions=(*DEFAULT_EXTENSIONS, "dblink"))
    restore = Restore(cloud, {"stock": dump.path}, {"stock": name}, postgres=options)
    restore.add_point()

    result = restore.run_all()

    (database,) = result.databases
    assert (database.error, database.status) == (None, "PROMOTED")
    assert contents(cloud, name, {restore.holder: "master"}) == dump.contents
    assert lent(cloud) == before
    databases, roles = cloud.names()
    assert not [each for each in databases | roles if each.startswith("dbrestore-") and not each.endswith("-holder")]


def lent(cloud: Cloud) -> set[tuple]:
    """Memberships but those in holders: they stay with their databases, and go when a later restore finds these gone."""
    return {each for each in cloud.memberships() if not each[0].strip('"').endswith("-holder")}
