"""Every entry of a table of contents has exactly one place."""

from datetime import datetime

from dbrestore.points.pgdump.toc import Toc, TocEntry
from dbrestore.points.pgdump.toc_values import Common, Section
from dbrestore.worker.postgresql.archive import divide, fix_ups


def entry(dump_id: int, description: str, tag: str, section: Section, *needs: int, definition: str = "", tablespace: str = "") -> TocEntry:
    """An entry in the schema app."""
    common = Common(description == "TABLE DATA", description, section, "app", tablespace, "owner")
    return TocEntry(dump_id, tag, common, needs).defined_by(definition)


def toc(*entries: TocEntry) -> Toc:
    """A table of contents of these entries."""
    return Toc((1, 16), 8, "custom", "zstd", datetime(2026, 1, 1), "db", "17", "17", entries, 1)


def ids(entries: tuple[TocEntry, ...]) -> list[int]:
    """Their dump ids."""
    return [e.dump_id for e in entries]


def test_an_index_of_a_partition_is_early_together_with_that_of_its_parent() -> None:
    archive = toc(
        entry(1, "TABLE", "parent", "pre-data"),
        entry(2, "TABLE", "child", "pre-data"),
        entry(3, "TABLE DATA", "child", "data", 2),
        entry(4, "INDEX", "parent_i", "post-data", 1),
        entry(5, "INDEX", "child_i", "post-data", 4, 2, 2),
        entry(6, "INDEX ATTACH", "child_i", "post-data", 4, 5),
        entry(7, "MATERIALIZED VIEW", "view", "pre-data", 1),
        entry(8, "INDEX", "view_i", "post-data", 7),
    )

    division = divide(archive)

    assert ids(division.early) == [4, 5]
    assert ids(division.pre_data) == [1, 2, 7]
    assert ids(division.post_data) == [6, 8]


def test_what_depends_on_something_left_out_is_left_out_and_listed() -> None:
    archive = toc(
        entry(1, "SERVER", "far", "pre-data"),
        entry(2, "FOREIGN TABLE", "there", "pre-data", 1),
        entry(3, "VIEW", "over", "pre-data", 2),
        entry(4, "COMMENT", "VIEW over", "none", 3),
        entry(5, "TABLE", "here", "pre-data"),
    )

    division = divide(archive)

    assert sorted(division.left_out) == [1, 2, 3, 4]
    assert ids((*division.pre_data, *division.post_data)) == [5]
    assert {note.entry for note in fix_ups(archive, division.left_out)} == {
        "SERVER app.far",
        "FOREIGN TABLE app.there",
        "VIEW app.over",
        "COMMENT app.VIEW over",
    }


def test_the_schema_public_is_kept_and_takes_nothing_with_it() -> None:
    archive = toc(entry(1, "SCHEMA", "public", "pre-data"), entry(2, "TABLE", "here", "pre-data", 1))

    division = divide(archive)

    assert list(division.left_out) == [1]
    assert ids(division.pre_data) == [2]


def test_the_schema_of_an_extension_is_made_with_it() -> None:
    archive = toc(entry(1, "SCHEMA", "ext", "pre-data"), entry(2, "EXTENSION", "hstore", "pre-data", 1))

    division = divide(archive)

    assert ids(division.extensions) == [2]
    assert division.pre_data == ()


def test_an_unused_tablespace_is_listed() -> None:
    archive = toc(entry(1, "TABLE", "here", "pre-data", tablespace="fast"))

    (note,) = fix_ups(archive, divide(archive).left_out)

    assert "fast" in note.what
