"""What a file is that isn't a pg_dump archive: people offer all kinds, and each deserves its own sentence."""

from typing import Final

from dbrestore.contract.errors import BackupUnreadable

# A tar file says so at byte 257.
LENGTH: Final = 265

_DUMP_AGAIN = "make the dump with pg_dump -Fc or -Fd"
_AS_NATIVE = "add it with --engine sqlserver"
_UNPACK = "unpack it first and give what is in it"
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x1f\x8b", f"a gzip file, not a dump: {_UNPACK}"),
    (b"PK\x03\x04", f"a zip file, not a dump: {_UNPACK}"),
    (b"BZh", f"a bzip2 file, not a dump: {_UNPACK}"),
    (b"\xfd7zXZ\x00", f"an xz file, not a dump: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7-Zip file, not a dump: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"a zstd file, not a dump: {_UNPACK}"),
    (b"\x04\x22\x4d\x18", f"an lz4 file, not a dump: {_UNPACK}"),
    (b"TAPE", f"a SQL Server backup (.bak), not a PostgreSQL dump: {_AS_NATIVE}"),
    (b"MSSQLBAK", f"a compressed SQL Server backup (.bak), not a PostgreSQL dump: {_AS_NATIVE}"),
    (b"PAR1", f"a Parquet file (an export of a snapshot, or of an S3 Inventory), not a dump: {_DUMP_AGAIN}"),
    (b"ORC", f"an ORC file, as S3 Inventory writes them, not a dump: {_DUMP_AGAIN}"),
    (b"{", f"a JSON text, as exports and S3 Inventory have beside their data, not a dump: {_DUMP_AGAIN}"),
    (b"version https://git-lfs", "a Git LFS pointer, not the dump itself: fetch the file with `git lfs pull`"),
    (b"PGCOPY\n\xff\r\n\x00", f"the output of COPY ... (FORMAT binary), not a dump: {_DUMP_AGAIN}"),
)
_SQL_BEGINNINGS: Final = (
    b"--",
    b"SET ",
    b"CREATE ",
    b"INSERT ",
    b"\\connect",
    b"\\restrict",
    b"/*",
    b"BEGIN",
    b"DROP ",
)


def require(beginning: bytes, magic: bytes) -> None:
    """Pass if a file begins with `magic`; else raise BackupUnreadable with what it seems to be. `beginning`: its first LENGTH bytes."""
    if beginning.startswith(magic):
        return
    raise BackupUnreadable(_what_it_is(beginning))


def _what_it_is(beginning: bytes) -> str:
    if not beginning:
        return "an empty file: the dump was never written, or not yet"
    for signature, sentence in _SIGNATURES:
        if beginning.startswith(signature):
            return sentence
    if beginning[257:262] == b"ustar":
        return f"a tar file (pg_dump -Ft makes those): {_DUMP_AGAIN}"
    if beginning.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_SQL_BEGINNINGS):
        return f"a plain SQL text, which can't be checked or restored object by object: {_DUMP_AGAIN}"
    return f"not a pg_dump archive (it doesn't begin with PGDMP): {_DUMP_AGAIN}"
