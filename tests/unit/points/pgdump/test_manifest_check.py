"""A manifest lists every member of its dump once, lies about none, and says nothing that the dump doesn't."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.manifest import Manifest
from dbrestore.points import manifest_reading, stored_points
from dbrestore.points.pgdump import adding as points
from dbrestore.points.pgdump import manifest_check
from dbrestore.points.pgdump import toc as pgdump_toc
from tests.unit.points.conftest import BUCKET
from tests.unit.points.pgdump import archives

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Change = Callable[[dict[str, Any]], object]
DatabasesChange = Callable[[dict[str, Any], list[dict[str, Any]]], object]


@pytest.fixture
def made(s3: "S3Client", tmp_path: Path) -> Manifest:
    """A point of two databases: `shop` in custom, `crm` in directory format."""
    (tmp_path / "shop").write_bytes(archives.custom(archives.shop("zstd")))
    crm = archives.directory(archives.shop("gzip", database="crm"), tmp_path / "crm")
    return points.add(s3, BUCKET, "shop", [(None, tmp_path / "shop"), (None, crm)])


def changed(s3: "S3Client", made: Manifest, change: Change) -> None:
    document = json.loads(made.to_json())
    change(document)
    body = json.dumps(document).encode()
    s3.put_object(Bucket=BUCKET, Key=keys.manifest_key("shop", made.point_id), Body=body)


def swap(databases: list[dict[str, Any]]) -> None:
    first, second = databases
    first["name"], second["name"] = second["name"], first["name"]


def member(databases: list[dict[str, Any]]) -> dict[str, Any]:
    stored: dict[str, Any] = databases[0]["tables"][0]["stored"]
    return stored


CHANGES: dict[str, tuple[DatabasesChange, str]] = {
    "a table less": (lambda m, d: d[0]["tables"].pop(), "shop: it lists the rows of 1 tables, and the dump has those of 2"),
    "no table": (lambda m, d: d[0].pop("tables"), "/databases/0/tables: Field required"),
    "a table twice": (lambda m, d: d[0]["tables"].__setitem__(1, d[0]["tables"][0]), "2 shop: tables have the dump id 20"),
    "no large objects": (lambda m, d: d[0].update(largeObjects=[]), "shop: it lists 0 groups of large objects, and the dump has 1"),
    "an oid twice": (lambda m, d: d[1]["largeObjects"].append(d[1]["largeObjects"][0]), "2 crm: large objects have the oid"),
    "a database twice": (lambda m, d: d.append(d[0]), "2 databases are called 'shop'"),
    "swapped names": (lambda m, d: swap(d), "the file 'shop/.*/shop/dump.pgdump' of the database 'crm' doesn't lie below shop/.*/crm/"),
    "another engine": (lambda m, d: m.update(engine="sqlserver"), "it is of SQL Server and lists PostgreSQL dumps"),
    "an unknown engine": (lambda m, d: m.update(engine="mysql"), "/engine: Input should be 'postgres' or 'sqlserver'"),
    "no database": (lambda m, d: m.update(databases=[]), "it lists no database"),
    "file -1": (lambda m, d: member(d).update(file=-1), "/stored/file: Input should be greater than or equal to 0"),
    "file 7": (lambda m, d: member(d).update(file=7), "shop: a range is of the file 7, and there is none after file 0"),
    "no file": (lambda m, d: d[0].update(files=[]), "shop: it lists 0 files, and a dump is one"),
    "a negative offset": (lambda m, d: member(d).update(offset=-1), "/stored/offset: Input should be greater"),
    "a range past the end": (lambda m, d: member(d).update(length=10**12), "shop: a range ends at byte .*, and its file has"),
    "overlapping ranges": (lambda m, d: member(d).update(offset=d[0]["toc"]["length"] - 1), "shop: two ranges share the byte"),
    "a number of 5,000 digits": (lambda m, d: member(d).update(length=int("9" * 4000)), "manifest"),
    "no digest": (lambda m, d: member(d).update(sha256="9" * 5000), "'9+\\.\\.\\. isn't a SHA-256"),
    "a file of another point": (lambda m, d: d[0]["files"][0].update(key="shop/other/shop/dump.pgdump"), "doesn't lie below"),
    "another instance": (lambda m, d: m.update(instance="other"), "doesn't lie below other/"),
    "an impossible instance": (lambda m, d: m.update(instance="../x"), "isn't a DB instance name"),
    "an impossible name": (lambda m, d: d[0].update(name="a\0b"), "zero byte"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_manifest_that_contradicts_itself_is_damaged(s3: "S3Client", made: Manifest, name: str) -> None:
    change, sentence = CHANGES[name]
    changed(s3, made, lambda manifest: change(manifest, manifest["databases"]))

    with pytest.raises(BackupDamaged, match=sentence) as caught:
        stored_points.load(s3, BUCKET, "shop")

    assert str(caught.value).startswith(f"s3://{BUCKET}/shop/{made.point_id}/manifest.json")
    assert str(caught.value).endswith("choose another restore point, or add the backups again")


def test_a_manifest_in_anothers_place_is_damaged(s3: "S3Client", made: Manifest) -> None:
    key = keys.manifest_key("shop", "20990101T000000Z-00000000")
    s3.put_object(Bucket=BUCKET, Key=key, Body=made.to_json().encode())

    with pytest.raises(BackupDamaged, match=f"{key} is the manifest of shop {made.point_id}, which is stored elsewhere"):
        stored_points.load(s3, BUCKET, "shop")


def test_keys_of_a_later_version_are_ignored_wherever_they_stand(s3: "S3Client", made: Manifest) -> None:
    def add(document: dict[str, Any]) -> None:
        for place in (
            document,
            document["databases"][0],
            member(document["databases"]),
            document["databases"][0]["files"][0],
        ):
            place["laterKey"] = {"of": ["any", "form"]}

    changed(s3, made, add)

    assert stored_points.load(s3, BUCKET, "shop") == made


def test_a_manifest_that_is_too_long_is_refused_unread(s3: "S3Client", made: Manifest) -> None:
    # Blanks after the document: read it would be as good as before.
    body = made.to_json().encode().ljust(manifest_reading.LONGEST + 1)
    s3.put_object(Bucket=BUCKET, Key=keys.manifest_key("shop", made.point_id), Body=body)

    with pytest.raises(BackupDamaged, match=r"has 33,554,433 bytes and was not read: a manifest has 33,554,432 at most"):
        stored_points.load(s3, BUCKET, "shop")


TOC_CHANGES: dict[str, tuple[Change, str]] = {
    "a table and its count": (
        lambda b: (b["tables"].pop(), b["objectCounts"].update({"TABLE DATA": 1})),
        "of object_counts",
    ),
    "a renamed table": (lambda b: b["tables"][0].update(table="x"), "calls TABLE DATA public.orders by another name"),
    "another dump id": (lambda b: b["tables"][0].update(dumpId=19), "doesn't list the rows of TABLE DATA public.orders"),
    "swapped ranges": (
        lambda b: b["tables"][0].update(stored=b["tables"][1]["stored"]),
        "disagree where the data of TABLE DATA public.orders begins",
    ),
    "a large object less": (lambda b: b["largeObjects"][0]["oids"].pop(), "lists 1 large objects, .* names 2"),
    "another group": (lambda b: b["largeObjects"][0].update(dumpId=23), "large objects that the dump doesn't have"),
    "an extension's table": (lambda b: b["tables"][0].update(extension="x"), "disagree whether an extension makes"),
    "another codec": (lambda b: b.update(compression="gzip"), "says of compression 'gzip', the table of contents 'zstd'"),
    "another locale": (lambda b: b.update(collate="C"), "says of collate 'C'"),
    "another owner": (lambda b: b.update(owners=["postgres"]), "says of owners"),
    "an extension more": (lambda b: b["extensions"].append({"name": "dblink", "schemaName": "x"}), "says of extensions"),
}


@pytest.mark.parametrize("name", TOC_CHANGES)
def test_a_manifest_that_contradicts_its_dump_is_damaged(made: Manifest, tmp_path: Path, name: str) -> None:
    change, sentence = TOC_CHANGES[name]
    document = json.loads(made.to_json())
    toc = pgdump_toc.parse([(tmp_path / "shop").read_bytes()])
    manifest_check.require_whole(toc, made.databases[0])
    change(document["databases"][0])
    backup = Manifest.from_json(json.dumps(document)).databases[0]

    with pytest.raises(BackupDamaged, match=sentence):
        manifest_check.require_whole(toc, backup)


@pytest.mark.parametrize("archive_format", ["custom", "directory"])
@pytest.mark.parametrize("version", [(1, minor) for minor in range(12, 17)])
def test_what_was_added_is_whole(s3: "S3Client", tmp_path: Path, version: tuple[int, int], archive_format: str) -> None:
    archive = archives.shop("gzip", version)
    path = tmp_path / "dump"
    if archive_format == "custom":
        path.write_bytes(archives.custom(archive))
    else:
        archives.directory(archive, path)
    points.add(s3, BUCKET, "shop", [("renamed", path)])

    [backup] = stored_points.load(s3, BUCKET, "shop").databases

    content = (path if path.is_file() else path / "toc.dat").read_bytes()
    manifest_check.require_whole(pgdump_toc.parse([content]), backup)


@pytest.mark.parametrize("piece", [b"[],", b'{"a":{}},'])
def test_a_text_that_would_take_gigabytes_to_parse_is_refused_before(piece: bytes) -> None:
    text = b'{"schemaVersion":"1","x":[' + piece * 1_000_000 + b"1]}"

    with pytest.raises(BackupDamaged, match="isn't a manifest: it consists of short lists and objects"):
        manifest_reading.parse("manifest", text)
