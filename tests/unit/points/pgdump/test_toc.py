"""The table of contents of every archive version, and everything that is none."""

import gzip
import time
import tracemalloc
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.points.byte_reader import ByteReader
from dbrestore.points.pgdump import toc as pgdump_toc
from tests.unit.points.pgdump import archives

VERSIONS = [(1, minor) for minor in range(12, 17)]
SHOP = archives.custom(archives.shop("gzip"))


def outcome(archive: bytes) -> str:
    try:
        return f"{len(pgdump_toc.parse([archive]).entries)} entries"
    except (BackupDamaged, BackupUnreadable) as error:
        return str(error)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_known_version_is_read_to_the_last_byte_of_its_toc(version: tuple[int, int]) -> None:
    archive = archives.shop("gzip", version)
    whole = archives.custom(archive)

    toc = pgdump_toc.parse([whole])

    assert toc.version == version
    assert toc.archive_version == f"1.{version[1]}"
    assert (toc.format, toc.compression, toc.database, toc.server_version) == ("custom", "gzip", "shop", "17.10")
    assert toc.dumped_at == datetime(2026, 11, 23, 12, 30, 56)
    assert toc.length == whole.index(b"\x01" + archives.number(20))
    assert [e.dump_id for e in toc.entries] == [e.dump_id for e in archive.entries]
    rows = next(e for e in toc.entries if e.dump_id == 20)
    assert (rows.label, rows.section, rows.dependencies, rows.has_data) == (
        "TABLE DATA public.orders",
        "data",
        (10,),
        True,
    )
    assert (rows.copy_statement, rows.common.offset_state, rows.offset) == (
        "COPY public.orders (id, note) FROM stdin;\n",
        "set",
        toc.length,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_directorys_toc_names_its_member_files(version: tuple[int, int]) -> None:
    archive = archives.shop("none", version)

    toc = pgdump_toc.parse([archives.header(archive, 3) + archives.entries(archive, 3)])

    members = {e.dump_id: e.member_name for e in toc.entries if e.has_data}
    assert (toc.format, toc.compression) == ("directory", "none")
    assert members == {20: "20.dat", 21: "21.dat", 22: "blobs_22.toc" if version == (1, 16) else "blobs.toc"}


def test_relkind_exists_since_version_16() -> None:
    new, old = (pgdump_toc.parse([archives.custom(archives.shop(version=v))]) for v in ((1, 16), (1, 15)))

    assert [e.relkind for e in new.entries if e.description == "TABLE"] == ["r", "r"]
    assert [e.relkind for e in old.entries if e.description == "TABLE"] == ["", ""]


@given(size=st.integers(1, 200))
def test_the_toc_is_the_same_however_the_bytes_arrive(size: int) -> None:
    pieces = [SHOP[i : i + size] for i in range(0, len(SHOP), size)]

    assert pgdump_toc.parse(pieces) == pgdump_toc.parse([SHOP])


def test_no_more_is_taken_from_the_source_than_the_toc_needs() -> None:
    source = iter([SHOP[i : i + 100] for i in range(0, len(SHOP), 100)])
    reader = ByteReader(source)

    toc = pgdump_toc.parse(reader)

    assert reader.position == toc.length
    assert sum(map(len, source)) + len(reader.buffer) - reader.cursor == len(SHOP) - toc.length


def test_a_toc_cut_anywhere_is_damaged() -> None:
    length = pgdump_toc.parse([SHOP]).length

    for cut in range(5, length):
        with pytest.raises(BackupDamaged, match="ends at byte"):
            pgdump_toc.parse([SHOP[:cut]])


@given(position=st.integers(5, 900), value=st.integers(0, 255))
@example(position=21, value=128)  # a month beyond what a C int holds
def test_a_changed_byte_never_leads_to_anything_but_a_clear_error(position: int, value: int) -> None:
    damaged = bytearray(SHOP)
    damaged[position] = value

    assert outcome(bytes(damaged))


def test_names_are_read_in_the_encoding_of_the_dump() -> None:
    entries = (
        archives.Entry(1, "ENCODING", "ENCODING", definition="SET client_encoding = 'LATIN1';\n"),
        archives.Entry(2, "TABLE", "straße", "öffentlich", owner="jürgen"),
    )

    toc = pgdump_toc.parse([archives.custom(archives.Archive(entries, codec="latin-1", database="größe"))])

    assert (toc.database, toc.entries[1].tag, toc.entries[1].schema_name, toc.entries[1].owner) == (
        "größe",
        "straße",
        "öffentlich",
        "jürgen",
    )


@pytest.mark.parametrize(
    ("encoding", "error", "sentence"),
    [("MULE_INTERNAL", BackupUnreadable, "--encoding=UTF8"), ("UTF8", BackupDamaged, "isn't valid utf-8")],
)
def test_names_that_cannot_be_read_are_refused(encoding: str, error: type[Exception], sentence: str) -> None:
    entries = (
        archives.Entry(1, "ENCODING", "ENCODING", definition=f"SET client_encoding = '{encoding}';\n"),
        archives.Entry(2, "TABLE", "straße"),
    )

    with pytest.raises(error, match=sentence):
        pgdump_toc.parse([archives.custom(archives.Archive(entries, codec="latin-1"))])


@pytest.mark.parametrize(
    ("beginning", "sentence"),
    [
        (b"", "an empty file"),
        (b"--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;", "a plain SQL text"),
        (b"\\restrict abc\n", "a plain SQL text"),
        (b"\xef\xbb\xbf-- comment", "a plain SQL text"),
        (gzip.compress(b"--", mtime=0), "a gzip file"),
        (b"PK\x03\x04....", "a zip file"),
        (b"\x28\xb5\x2f\xfd....", "a zstd file"),
        (b"TAPE\x00\x00\x03", "a SQL Server backup .*--engine sqlserver"),
        (b"MSSQLBAK\x02\x00", "a compressed SQL Server backup .*--engine sqlserver"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "a Git LFS pointer"),
        (b"toc.dat".ljust(257, b"\0") + b"ustar\x0000", "a tar file"),
        (b"\x7fELF", "not a pg_dump archive"),
        (b"PGDM", "not a pg_dump archive"),
    ],
)
def test_a_file_that_is_no_archive_is_refused_by_what_it_is(beginning: bytes, sentence: str) -> None:
    with pytest.raises(BackupUnreadable, match=sentence):
        pgdump_toc.parse([beginning])


@pytest.mark.parametrize(
    ("position", "value", "sentence"),
    [
        (6, 11, "1.11 is too old"),
        (6, 17, "1.17 is newer than 1.16"),
        (5, 2, "2.16 is newer"),
        (8, 8, "numbers of 8"),
        (9, 3, "offsets of 3 bytes"),
        (10, 2, "archive format 2 is unknown"),
        (11, 4, "compression method 4 is unknown"),
    ],
)
def test_a_header_that_is_not_understood_is_refused(position: int, value: int, sentence: str) -> None:
    changed = bytearray(SHOP)
    changed[position] = value

    with pytest.raises(BackupUnreadable, match=sentence):
        pgdump_toc.parse([bytes(changed)])


def test_an_entry_count_or_text_length_out_of_reason_is_damage_not_memory() -> None:
    beginning = archives.header(archives.shop(), 1)

    with pytest.raises(BackupDamaged, match="longer than any"):
        pgdump_toc.parse([beginning + archives.number(1) + archives.number(1) * 2 + archives.number(2**31 - 1)])
    with pytest.raises(BackupDamaged, match="-3 entries"):
        pgdump_toc.parse([beginning + archives.number(-3)])


def test_two_entries_with_one_dump_id_are_damage() -> None:
    twice = archives.Archive((archives.Entry(1, "TABLE", "a"), archives.Entry(1, "TABLE", "b")))

    with pytest.raises(BackupDamaged, match="same dump id"):
        pgdump_toc.parse([archives.custom(twice)])


@pytest.mark.parametrize("dependency", ["9" * 5000, "²", "-1"])
def test_a_dependency_that_is_no_number_is_damage(dependency: str) -> None:
    entry = archives.Entry(1, "TABLE", "a", dependencies=(7,))
    whole = archives.custom(archives.Archive((entry,)))

    with pytest.raises(BackupDamaged, match="dependency in the table of contents isn't a number"):
        pgdump_toc.parse([whole.replace(archives.text("7"), archives.text(dependency))])


@pytest.mark.parametrize("entry", [archives.Entry(1, "TABLE", "a\0b"), archives.Entry(1, "TABLE", "a", owner="\0")])
def test_a_zero_byte_in_a_text_is_damage(entry: archives.Entry) -> None:
    with pytest.raises(BackupDamaged, match="holds a zero byte"):
        pgdump_toc.parse([archives.custom(archives.Archive((entry,)))])


def test_a_long_text_is_read_in_time_that_grows_with_its_length() -> None:
    """A copy of everything read so far at each of 6,000 pieces would be 100 GB."""
    entry = archives.Entry(1, "TABLE", "a", definition="x" * (32 << 20))
    whole = archives.custom(archives.Archive((entry,)))

    begun = time.process_time()
    toc = pgdump_toc.parse([whole[i : i + 5000] for i in range(0, len(whole), 5000)])

    assert toc.entries[0].definition == entry.definition
    assert time.process_time() - begun < 3


SMALL_TABLES = 2_000


def of_table(number: int) -> tuple[archives.Entry, ...]:
    """What a dump has of a table with rows, a key and an index."""
    name, first = f"small_{number:05}", 10 + 4 * number
    made = f"CREATE TABLE public.{name} (\n    id integer NOT NULL,\n    label text NOT NULL,\n    changed date\n);\n"
    key = f"ALTER TABLE ONLY public.{name}\n    ADD CONSTRAINT {name}_pkey PRIMARY KEY (id);\n"
    index = f"CREATE INDEX {name}_label_idx ON public.{name} USING btree (label);\n"
    return (
        archives.Entry(first, "TABLE", name, "public", made, relkind=114),
        archives.Entry(first + 1, "TABLE DATA", name, "public", copy=f"COPY public.{name} FROM stdin;\n", section=3, dependencies=(first,)),
        archives.Entry(first + 2, "CONSTRAINT", f"{name} {name}_pkey", "public", key, section=4, dependencies=(first,)),
        archives.Entry(first + 3, "INDEX", f"{name}_label_idx", "public", index, section=4, dependencies=(first,)),
    )


def test_a_table_with_its_rows_key_and_index_takes_little_memory() -> None:
    archive = archives.custom(archives.Archive(tuple(entry for number in range(SMALL_TABLES) for entry in of_table(number))))
    pgdump_toc.parse([SHOP])

    tracemalloc.start()
    toc = pgdump_toc.parse([archive])
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert toc.entries[-1].definition == of_table(SMALL_TABLES - 1)[-1].definition
    assert used / SMALL_TABLES < 1500
