"""Dumps of an older server's own pg_dump (archive version 1.14)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbrestore.points.pgdump import blocks as pgdump_blocks
from dbrestore.points.pgdump import scan as pgdump_scan
from localcloud.postgresql.clients import tool
from tests.databases.clouds import Clouds
from tests.databases.point_dumps import FORMATS, Source, filled_database

OLD = "14"


@pytest.fixture(scope="module")
def source(clouds: Clouds) -> Iterator[Source]:
    server = clouds.of(OLD).server
    with filled_database(server.superuser_dsn(), "old", str(tool(OLD, "pg_dump"))) as made:
        yield made


@pytest.mark.parametrize("level", ["0", "6"])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_older_dump_holds_exactly_the_database(source: Source, tmp_path: Path, archive_format: str, level: str) -> None:
    path = source.dump(tmp_path / "dump", f"-F{archive_format[0]}", "-Z", level)

    toc, stored = pgdump_scan.peek(path), bytearray()
    contents = pgdump_scan.scan(path, toc, stored.extend)

    assert (toc.archive_version, toc.compression, toc.server_version.split(".")[0]) == (
        "1.14",
        "gzip" if level == "6" else "none",
        OLD,
    )
    rows = {
        (t.schema_name, t.table): b"".join(
            pgdump_blocks.table_rows([bytes(stored[t.stored.offset :][: t.stored.length])], toc.format, toc.compression, t.dump_id)
        )
        for t in contents.tables
    }
    objects = {
        oid: b"".join(content)
        for o in contents.large_objects
        for oid, content in pgdump_blocks.large_objects(
            [bytes(stored[o.stored.offset :][: o.stored.length])], toc.format, toc.compression, o.dump_id, o.oids
        )
    }
    assert (rows, objects) == (source.rows(), source.large_objects())


def test_an_older_redirected_dump_has_its_offsets_in_place(source: Source, tmp_path: Path) -> None:
    path = source.dump_to_stdout(tmp_path / "dump", "-Fc", redirected=True)

    toc = pgdump_scan.peek(path)

    assert {e.common.offset_state for e in toc.entries if e.has_data} == {"set"}
    assert [t.rows for t in pgdump_scan.scan(path, toc, lambda _: None).tables] == [2, 4000, 0, 6000, 3]
