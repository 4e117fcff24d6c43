"""What a replay tells while it runs: rows and what is built on them, of a total that it ends with."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from dbrestore.contract import keys
from dbrestore.contract.job import Progress
from dbrestore.worker.base.bounds import Bounds
from tests.databases.restore_case import EVIDENCE, Cloud, Restore

TABLES = """CREATE TABLE items (id int PRIMARY KEY, label text UNIQUE);
INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 20000) i;
CREATE TABLE lines (item int REFERENCES items, words text[]);
INSERT INTO lines SELECT i, ARRAY['a' || i, 'b'] FROM generate_series(1, 20000) i;
CREATE INDEX lines_item ON lines (item); CREATE INDEX lines_words ON lines USING gin (words);
CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM lines"""
# With a partitioned table's index, and its key, which one partition refuses; what follows a view; a view that waits for row security.
MORE = """CREATE TABLE parts (item int, at int) PARTITION BY RANGE (at); CREATE INDEX ON parts (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9000);
CREATE TABLE parts_2 PARTITION OF parts (CONSTRAINT parts_item_fkey CHECK (at > 0)) DEFAULT;
ALTER TABLE parts ADD CONSTRAINT parts_item_fkey FOREIGN KEY (item) REFERENCES items;
INSERT INTO parts SELECT i, i FROM generate_series(1, 20000) i; CREATE UNIQUE INDEX ON totals (count);
CREATE TABLE secured (id int); ALTER TABLE secured ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE MATERIALIZED VIEW seen AS SELECT id FROM secured"""


@pytest.fixture(params=[TABLES, f"{TABLES}; {MORE}"], ids=["tables", "and partitions"])
def told(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[list[Progress]]:
    """Every note of a replay that writes one at each change: the versions of its document."""
    cloud.create_database("told")
    cloud.execute(request.param, "told")
    restore = replace(
        Restore(cloud, {"told": cloud.dump("told", superuser=True)}, {"told": "told_back"}), bounds=Bounds(progress_seconds=0.0)
    )
    restore.add_point()
    cloud.s3().put_bucket_versioning(Bucket=EVIDENCE, VersioningConfiguration={"Status": "Enabled"})
    try:
        assert restore.run("replay").error is None
        restore.run("discard")
        yield notes(cloud, keys.job_prefix(restore.restore_id, "replay") + "progress.json")
    finally:
        cloud.s3().put_bucket_versioning(Bucket=EVIDENCE, VersioningConfiguration={"Status": "Suspended"})
        cloud.drop_database("told")


def notes(cloud: Cloud, key: str) -> list[Progress]:
    """All versions, the oldest first."""
    found = [
        version["VersionId"]
        for page in cloud.s3().get_paginator("list_object_versions").paginate(Bucket=EVIDENCE, Prefix=key)
        for version in page["Versions"]
    ]
    bodies = (cloud.s3().get_object(Bucket=EVIDENCE, Key=key, VersionId=version)["Body"] for version in reversed(found))
    return [Progress.from_json(body.read()) for body in bodies]


def test_all_that_is_built_counts_and_the_end_is_the_total(told: list[Progress]) -> None:
    last = [note for note in told if note.kind == "replay"][-1]

    # Two of items, the foreign key, two indexes of lines, the view; then three indexes and three keys of partitions, one index, one view.
    assert last.objects_total in (6, 14)
    assert (last.objects_done, last.bytes_done, last.tables_done) == (last.objects_total, last.bytes_total, last.tables_total)
    assert last.work_done == last.work_total > last.bytes_total
    assert last.current == ()


def test_work_never_goes_back_and_names_what_it_is_at(told: list[Progress]) -> None:
    replayed = [note for note in told if note.kind == "replay" and note.work_total]
    shares = [note.work_done for note in replayed]

    assert shares == sorted(shares)
    current = {name for note in replayed for name in note.current}
    assert {"public.items", "public.lines", "4 indexes of small tables", "FK CONSTRAINT public.lines lines_item_fkey"} <= current
