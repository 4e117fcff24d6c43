"""What a file is that isn't a native backup, told by its first bytes: people give the wrong one, or one that was packed or encrypted."""

from typing import Final

from dbrestore.contract.sqlserver_errors import NotANativeBackup
from dbrestore.points.sqlserver import container as native_container

_MAKE_ONE: Final = "make one with BACKUP DATABASE ... TO DISK"
_UNPACK: Final = "unpack it first"
_SIGNATURES: Final[tuple[tuple[bytes, str], ...]] = (
    (b"version https://git-lfs", "is a Git LFS pointer, not the backup itself: fetch it with `git lfs pull`"),
    (b"PGDMP", "is a pg_dump archive of PostgreSQL: add it with --engine postgres"),
    (b"PAR1", f"is a Parquet file (an export of a snapshot, or of an S3 Inventory): {_MAKE_ONE}"),
    (b"\x1f\x8b", f"is a gzip file: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"is a 7-Zip archive: {_UNPACK}"),
    (b"Rar!\x1a\x07", f"is a RAR archive: {_UNPACK}"),
    (b"BZh", f"is a bzip2 file: {_UNPACK}"),
    (b"\xfd7zXZ\x00", f"is an xz file: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"is a zstd file: {_UNPACK}"),
    (b"<!DOCTYPE", "is a web page, so its download failed: fetch it again"),
    (b"<html", "is a web page, so its download failed: fetch it again"),
    (b"<?xml", f"is an XML file (an answer of S3 to a download that failed begins so): {_MAKE_ONE}"),
)
_ZIP: Final = b"PK\x03\x04"
# SQL Server's page header: version 1, type 15 (the header of a file).
_FILE_HEADER_PAGE: Final = b"\x01\x0f"
_OF_A_BACPAC: Final = (b"model.xml", b"Origin.xml", b"DacMetadata.xml")
_OF_A_DOCUMENT: Final = (b"word/", b"xl/", b"ppt/")
_TAR: Final = slice(257, 262)
# Of 512 random bytes 221 are different on average, and hardly ever fewer than 190; text, pages and headers have far fewer.
_LOOKED_AT: Final = 512
_RANDOM: Final = 190


def require_native(head: bytes) -> None:
    """Raises NotANativeBackup, naming what the file is instead, unless it begins as a native backup does."""
    if not head.startswith((b"TAPE", native_container.MAGIC)):
        raise NotANativeBackup(_what_it_is(head))


def _what_it_is(head: bytes) -> str:
    for signature, sentence in _SIGNATURES:
        if head.startswith(signature):
            return sentence
    if head.startswith(_ZIP):
        return _zip(head)
    if head.startswith(_FILE_HEADER_PAGE):
        return f"is a file of a database (.mdf, .ndf or .ldf), not a backup of one: attach it to a server, then {_MAKE_ONE}"
    if head[_TAR] == b"ustar":
        return f"is a tar archive: {_UNPACK}"
    if len(head) >= _LOOKED_AT and len(set(head[:_LOOKED_AT])) >= _RANDOM:
        return (
            "begins with what looks like random bytes, so it is encrypted as a whole. RDS does that to a backup made with "
            f"@kms_master_key_arn, which only rds_restore_database can read: make one without, or {_MAKE_ONE}"
        )
    return f"isn't a native SQL Server backup (it begins with {head[:8]!r}): {_MAKE_ONE}"


def _zip(head: bytes) -> str:
    if any(name in head for name in _OF_A_BACPAC):
        return f"is a .bacpac or .dacpac, an export that no RESTORE reads: import it into a database with SqlPackage, or {_MAKE_ONE}"
    if any(name in head for name in _OF_A_DOCUMENT):
        return f"is an Office document, not a backup: {_MAKE_ONE}"
    return f"is a zip file: {_UNPACK}"
