"""Which versions a restore goes into: both ends of the range, by RDS's own spelling."""

from pathlib import Path

import pytest

from dbrestore.contract.allowed.versions import ENGINES, is_too_new, is_too_old
from dbrestore.contract.manifest import Engine
from localcloud.postgresql import versions as postgresql_versions

README = Path(__file__).parents[3] / "README.md"


@pytest.mark.parametrize(
    ("engine", "version", "judgement"),
    [
        ("postgres", "9.6.24", "old"),
        ("postgres", "12.22", "old"),
        ("postgres", "12.22-rds.20250220", "old"),
        ("postgres", "13.23", ""),
        ("postgres", "18.4", ""),
        ("postgres", "19.1", "new"),
        ("postgres", "100.1", "new"),
        ("sqlserver", "12.00.6444.4.v1", "old"),
        ("sqlserver", "13.00.6435.1.v1", ""),
        ("sqlserver", "16.00.4215.2.v1", ""),
        ("sqlserver", "17.00.4006.2.v1", ""),
        ("sqlserver", "18.00.1.1.v1", "new"),
    ],
)
def test_a_version_is_supported_or_known_to_be_too_old_or_too_new(engine: Engine, version: str, judgement: str) -> None:
    assert (is_too_old(engine, version), is_too_new(engine, version)) == (judgement == "old", judgement == "new")


def test_every_version_that_the_local_cloud_runs_is_supported_and_the_other_way_round() -> None:
    supported = ENGINES["postgres"]
    runs = {int(version.split(".")[0]) for version in postgresql_versions.SERVERS}

    assert runs == set(range(supported.oldest, supported.newest + 1))


@pytest.mark.parametrize("engine", ["postgres", "sqlserver"])
def test_the_readme_states_the_same_versions(engine: Engine) -> None:
    told = ENGINES[engine].told.removeprefix(ENGINES[engine].product).strip()

    assert f"| RDS for {ENGINES[engine].product} {told}, " in README.read_text()
