"""Where a bucket lies, read from its name."""

import pytest

from dbrestore.contract import keys


@pytest.mark.parametrize(
    ("bucket", "region"),
    [
        ("dbrestore-evidence-123456789012-eu-central-1-an", "eu-central-1"),
        ("dbrestore-repository-123456789012-us-gov-west-1-an", "us-gov-west-1"),
        ("evidence", None),
        ("evidence-123456789012-eu-central-1", None),
        ("evidence-1234-eu-central-1-an", None),
    ],
)
def test_a_bucket_of_an_accounts_regional_namespace_tells_its_region(bucket: str, region: str | None) -> None:
    assert keys.region_of(bucket) == region


@pytest.mark.parametrize("name", ["商" * 128, "😀" * 64, "/" * 128])
def test_any_name_of_a_database_fits_into_a_key(name: str) -> None:
    prefix = keys.database_prefix("i" * 63, "20261123T051200Z-3fa9c1d2", name)

    assert len(prefix) < 1000
    assert prefix.count("/") == 3
    assert prefix != keys.database_prefix("i" * 63, "20261123T051200Z-3fa9c1d2", name[:-1] + "x")
