"""The manifest of a restore point: one JSON document beside the files it describes.

    <repository bucket>/<instance>/<point id>/manifest.json
    <repository bucket>/<instance>/<point id>/<database>/dump.pgdump      pg_dump custom format, as it was
    <repository bucket>/<instance>/<point id>/<database>/dump.tar         directory format, packed into one uncompressed tar
    <repository bucket>/<instance>/<point id>/<database>/toc.dat, ...     directory format that was copied from S3, file by file

    <repository bucket>/<instance>/<point id>/<database>/01-full-1-of-2.bak        native SQL Server backups, one set each
    s3://<any bucket>/<any key>, one version of it                        what was added in place: then nothing lies under the file's key

Names in keys are percent-encoded (`contract.keys`); the manifest holds them as they are. A member is one byte range of one object, so
one table's rows are one ranged GET. Without this product, `pg_restore` still reads every file.
"""

from datetime import datetime
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from dbrestore.contract.document import PART, Document
from dbrestore.contract.errors import DatabaseNotInRestorePoint
from dbrestore.contract.keys import StoredPlace

SCHEMA_VERSION: Final = "1"

Engine = Literal["postgres", "sqlserver"]
ArchiveFormat = Literal["custom", "directory"]
Compression = Literal["none", "gzip", "lz4", "zstd"]
NativeKind = Literal["FULL", "DIFFERENTIAL", "LOG"]
RecoveryModel = Literal["FULL", "BULK_LOGGED", "SIMPLE"]
Count = Annotated[int, Field(ge=0)]


class ObjectReference(Document):
    """One version of an object that stays where it is. `etag` as S3 writes it, quotes included."""

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    key: str = Field(min_length=1)
    version_id: str = Field(min_length=1)
    etag: str = Field(min_length=1)

    @property
    def place(self) -> StoredPlace:
        """Where it lies."""
        return StoredPlace(self.bucket, self.key, self.version_id)


class StoredFile(Document):
    """One object of the restore point. `storage_class` is the class at the time of writing. `crc32` is the whole file's as S3 writes it
    (4 bytes, big endian, base64): S3 computes the same of a copy, so that one can be compared without reading it; points of version
    0.1 have none. `sha256` is None for what S3 copied in parts and nobody has read: then there is a `crc32`. `origin` is the `s3://` URI
    that it was copied from. With a `reference` it wasn't copied: the bytes are that version's, the key is the name of the file in the point
    and no object's, and what nobody has read may have neither `sha256` nor `crc32`."""

    key: str
    length: Count
    sha256: str | None
    crc32: str | None = None
    storage_class: str = "STANDARD"
    origin: str | None = None
    reference: ObjectReference | None = None

    def place(self, repository: str) -> StoredPlace:
        """Where it lies; `repository` is the bucket of the point's manifest."""
        return self.reference.place if self.reference else StoredPlace(repository, self.key)


@dataclass(config=PART, frozen=True, slots=True, kw_only=True)
class ByteRange:
    """`length` bytes from `offset` of the object `files[file]`, with the SHA-256 of exactly these bytes."""

    file: Count = 0
    offset: Count
    length: Count
    sha256: str


@dataclass(config=PART, frozen=True, slots=True, kw_only=True)
class RowDigest:
    """What the rows of one member come to, whatever their order: the sum modulo 2^128 of the XXH3-128 (with `seed`) of each row's COPY text
    with its line end, as 32 hexadecimal digits. The text is the one that a server writes under `TimeZone` UTC and `bytea_output` hex.
    `columns` are the positions (from 0, in the COPY statement's order) whose text every server writes alike, and the row is then these
    columns alone; None stands for all."""

    seed: int
    total: str
    columns: tuple[int, ...] | None = None


class ObjectDigest(Document):
    """The same for large objects: the sum of the XXH3-128 (with `seed`) of each one's OID (4 bytes, big endian) and content."""

    seed: int
    total: str


@dataclass(config=PART, frozen=True, slots=True, kw_only=True)
class TableMember:
    """The rows of one TABLE DATA entry. In custom format the range is the whole data block (type, id, chunks, terminator);
    in directory format it is the member file. `uncompressed_length` counts the decoded COPY text without the closing `\\.` lines;
    `rows` its line ends. `content` is there if the rows can be proven one by one. `extension` is the extension that makes the table, if it
    is one of an extension's configuration tables: then the dump has rows but no TABLE entry for it; empty where the dump doesn't tell
    which of its extensions."""

    dump_id: int
    schema_name: str
    table: str
    stored: ByteRange
    uncompressed_length: Count
    rows: Count
    content: RowDigest | None = None
    extension: str | None = None


class LargeObjectMember(Document):
    """Large objects of one BLOBS entry. Custom format: the whole data block, `oids` in the order in which they stand in it.
    Directory format: one member per large object, so `oids` has one element. `uncompressed_length` is the sum of their sizes."""

    dump_id: int
    oids: tuple[int, ...]
    stored: ByteRange
    uncompressed_length: Count
    content: ObjectDigest | None = None


class Extension(Document):
    """An extension that the dump creates, and the schema it lives in."""

    name: str
    schema_name: str


class DatabaseBackup(Document):
    """One database of a PostgreSQL restore point. `toc` is the smallest prefix (custom) or member (directory: toc.dat) that
    `pg_restore -l` reads; `object_counts` counts its entries by description; `owners` are all owners named in it, `roles` these and
    those that are granted something or named by a policy. `dumped_at` is the clock of the computer that dumped, without a zone: the
    archive names none. `encoding` is the database's, `client_encoding` that of the COPY text. `provider_locale` is ICU_LOCALE or
    BUILTIN_LOCALE, empty for libc. `notes` are sentences about what the dump didn't say and was assumed, and what a restore of it
    needs or can't bring back."""

    name: str
    files: tuple[StoredFile, ...]
    format: ArchiveFormat
    compression: Compression
    archive_version: str
    server_version: str
    dump_version: str
    dumped_at: datetime
    encoding: str
    client_encoding: str = "UTF8"
    locale_provider: str = "libc"
    collate: str
    ctype: str
    provider_locale: str = ""
    owner: str
    owners: tuple[str, ...]
    extensions: tuple[Extension, ...]
    object_counts: dict[str, int]
    toc: ByteRange
    tables: tuple[TableMember, ...]
    large_objects: tuple[LargeObjectMember, ...]
    notes: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(t.rows for t in self.tables)

    @property
    def uncompressed_length(self) -> int:
        """Bytes of COPY text and large objects, before compression."""
        return sum(t.uncompressed_length for t in self.tables) + sum(o.uncompressed_length for o in self.large_objects)


class NativeDatabaseFile(Document):
    """One file of a SQL Server database as its backup's header lists it. `size` in bytes: the restore makes it so big."""

    logical_name: str
    physical_path: str
    size: int


class NativeChecks(Document):
    """What `points add` recomputed of a backup set, over all its stripes, and found right. Of `length` bytes `covered` lie under a checksum
    that SQL Server wrote; `pages` and `records` (of a compressed backup) are how many of these were compared. `allocated_pages` are the
    pages of 8 KiB that the set holds and the database uses, None if it can't be determined (compressed, a log). `not_judged` are sentences
    about what has checksums of no known kind, or none."""

    length: Count
    covered: Count
    pages: Count = 0
    records: Count = 0
    allocated_pages: Count | None = None
    not_judged: tuple[str, ...] = ()


class NativeBackupSet(Document):
    """One native backup. `files` are its stripes in order. LSNs are written `21:153:37` (log file, block, record): a differential's
    `base_lsn` is the `checkpoint_lsn` of the full backup it is based on. `begun_at` and `finished_at` are the server's clock, without a
    zone. `version` is the server's (`15.0.2080`), `database_version` the internal one of the database (904). `data_size` is what the
    header calls the backup's data, in bytes; `checksums` whether it was made WITH CHECKSUM. `position` is where the set stood in its file,
    from 1, of `sets_in_file`; what is stored holds the set alone. Points of version 0.2 know neither `finished_at`, `recovery_model` nor
    `checks`."""

    kind: NativeKind
    set_id: str
    media_set_id: str
    files: tuple[StoredFile, ...]
    compressed: bool
    checksums: bool
    server: str
    version: str
    database_version: int
    compatibility_level: int
    begun_at: datetime
    first_lsn: str
    last_lsn: str
    checkpoint_lsn: str
    base_lsn: str
    data_size: int
    database_files: tuple[NativeDatabaseFile, ...]
    finished_at: datetime | None = None
    recovery_model: RecoveryModel | None = None
    position: int = 1
    sets_in_file: int = 1
    checks: NativeChecks | None = None

    @property
    def stored_length(self) -> int:
        """Bytes of all stripes."""
        return sum(f.length for f in self.files)

    @property
    def restored_size(self) -> int:
        """Bytes of the database files that a restore makes."""
        return sum(f.size for f in self.database_files)


class NativeDatabaseBackup(Document):
    """One database of a SQL Server restore point: a full backup and what is restored after it, in order. `source_name` is the name
    in the headers, `name` the one the point knows it by; `database_id` stays the same for a database and its restored copies."""

    name: str
    source_name: str
    database_id: str
    backup_sets: tuple[NativeBackupSet, ...]

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """Every stored object of the database."""
        return tuple(file for backup_set in self.backup_sets for file in backup_set.files)

    @property
    def restored_size(self) -> int:
        """Bytes of the largest state on the way: the space that a restore needs."""
        return max(backup_set.restored_size for backup_set in self.backup_sets)


Backup = TypeVar("Backup", DatabaseBackup, NativeDatabaseBackup)


class Manifest(Document):
    """One restore point of one instance: `databases` if it is of PostgreSQL, `native_databases` if of SQL Server. `point_id` sorts by time:
    `20261123T051200Z-3fa9c1d2`."""

    schema_version: Literal["1"] = SCHEMA_VERSION
    point_id: str
    instance: str
    engine: Engine
    engine_version: str
    created_at: datetime
    databases: tuple[DatabaseBackup, ...] = ()
    native_databases: tuple[NativeDatabaseBackup, ...] = ()

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of all databases."""
        return tuple(file for backup in self.backups for file in backup.files)

    @property
    def backups(self) -> tuple[DatabaseBackup | NativeDatabaseBackup, ...]:
        """Every database of the point, whichever engine it is of."""
        return (*self.databases, *self.native_databases)

    def backup(self, name: str, kind: type[Backup]) -> Backup:
        """The one look-up of a database. Raises DatabaseNotInRestorePoint, with what there is, if the point has none of this name and
        kind."""
        for backup in self.backups:
            if isinstance(backup, kind) and backup.name == name:
                return backup
        has = ", ".join(sorted(backup.name for backup in self.backups))
        raise DatabaseNotInRestorePoint(f"the restore point {self.point_id} has no database {name!r}; it has {has}")

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a manifest. Keys that this version doesn't know are ignored: a newer one of the same schema version may have written it."""
        return cls.model_validate_json(text, extra="ignore")
