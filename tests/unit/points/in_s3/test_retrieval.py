"""Archived backups are retrieved where they lie, once, and added when they are back."""

import pytest
from botocore.exceptions import ClientError

from dbrestore.contract.errors import ArchiveTierImpossible, BackupArchived, SourceAccessDenied
from dbrestore.points.in_s3 import dumps, retrieval
from dbrestore.points.in_s3.retrieval import Wish
from localcloud.s3 import glacier_objects
from tests.unit.points.in_s3.conftest import BACKUPS, Buckets
from tests.unit.points.pgdump import archives

DUMP = archives.custom(archives.shop("zstd"))
STANDARD = Wish("Standard", 3)


@pytest.fixture
def cold(buckets: Buckets) -> Buckets:
    """Two dumps in an archive, and one that isn't."""
    buckets.put("nightly/a.dump", DUMP, StorageClass="GLACIER")
    buckets.put("nightly/b.dump", DUMP, StorageClass="DEEP_ARCHIVE")
    buckets.put("nightly/c.dump", DUMP)
    return buckets


def asked(buckets: Buckets) -> list[tuple[str, dict]]:
    return sorted((params["Key"], params["RestoreRequest"]) for name, params in buckets.requests if name == "RestoreObject")


def test_what_is_archived_is_asked_for_once_with_when_to_come_again(cold: Buckets) -> None:
    with pytest.raises(BackupArchived) as first:
        retrieval.require_readable(cold.source, ["nightly/"], STANDARD)
    with pytest.raises(BackupArchived, match=r"2 archived objects .* 2 of them before"):
        retrieval.require_readable(cold.source, ["nightly/"], STANDARD)

    request = {"GlacierJobParameters": {"Tier": "Standard"}, "Days": 3}
    assert asked(cold) == [("nightly/a.dump", request), ("nightly/b.dump", request)]
    assert "takes 12 hours at most. Then run the same command again, within 3 days" in str(first.value)


def test_what_is_back_is_added_by_the_same_command(cold: Buckets) -> None:
    with pytest.raises(BackupArchived):
        retrieval.require_readable(cold.source, ["nightly/"], STANDARD)
    for name in ("a", "b"):
        glacier_objects.finish(BACKUPS, f"nightly/{name}.dump")
    retrieval.require_readable(cold.source, ["nightly/"], STANDARD)

    assert len(asked(cold)) == 2
    assert dumps.look(cold.source, "nightly/a.dump")


def test_a_tier_that_an_archive_lacks_asks_for_nothing(cold: Buckets) -> None:
    with pytest.raises(ArchiveTierImpossible, match=r"Deep Archive, which has no Expedited retrieval: ask for Standard \(at most 12"):
        retrieval.require_readable(cold.source, ["nightly/"], Wish("Expedited", 1))

    assert asked(cold) == []


def test_what_can_be_read_is_no_matter(cold: Buckets) -> None:
    retrieval.require_readable(cold.source, ["nightly/c.dump"], STANDARD)

    assert dumps.look(cold.source, "nightly/c.dump")
    assert asked(cold) == []


def test_whoever_may_not_retrieve_is_told_which_right(cold: Buckets) -> None:
    def refuse() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}, "RestoreObject")

    cold.meanwhile["RestoreObject"] = refuse

    with pytest.raises(SourceAccessDenied, match=rf"s3://{BACKUPS}/nightly/a.dump: its retrieval \(s3:RestoreObject\)"):
        retrieval.require_readable(cold.source, ["nightly/a.dump"], STANDARD)
