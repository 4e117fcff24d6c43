"""Digests that were taken where a backup was made are compared with every byte that is stored; a list that can't be trusted is refused."""

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreRequestInvalid
from dbrestore.points import known_digests
from dbrestore.points.pgdump import adding as points
from dbrestore.points.sqlserver import adding as native_points
from tests.unit.points.conftest import BUCKET, leftovers
from tests.unit.points.pgdump import archives
from tests.unit.points.sqlserver.backups import Written, backup

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

DIGEST = hashlib.sha256(b"content").hexdigest()


def flipped(path: Path, place: int = -400) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """An uncompressed dump, in which a flipped bit of a row is a row like any other."""
    path = tmp_path / "shop.dump"
    path.write_bytes(archives.custom(archives.shop()))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return archives.directory(archives.shop(), tmp_path / "shop.dir")


def test_a_bit_that_flipped_on_the_way_is_unseen_without_a_digest_and_told(s3: "S3Client", shop: Path) -> None:
    flipped(shop)

    [database] = points.add(s3, BUCKET, "i", [(None, shop)]).databases

    assert database.notes[0].startswith("its data (uncompressed) has no checksum")
    assert "in shop.dump.sha256 next to it" in database.notes[0]


def test_gzip_and_a_proven_dump_need_no_such_note(s3: "S3Client", shop: Path, tmp_path: Path) -> None:
    (tmp_path / "gzip").write_bytes(archives.custom(archives.shop("gzip", database="crm")))
    digest = hashlib.sha256(shop.read_bytes()).hexdigest()

    made = points.add(s3, BUCKET, "i", [(None, shop), (None, tmp_path / "gzip")], sha256=[digest.upper(), "-"])

    assert [note for database in made.databases for note in database.notes if "checksum" in note] == []


@pytest.mark.parametrize("given", [True, False])
def test_a_file_with_another_digest_is_damaged_and_nothing_of_it_stays(s3: "S3Client", shop: Path, given: bool) -> None:
    digest = hashlib.sha256(shop.read_bytes()).hexdigest()
    if not given:
        shop.with_name("shop.dump.sha256").write_text(f"{digest}  shop.dump\n")
    flipped(shop)
    source = "--sha256" if given else "shop.dump.sha256"

    with pytest.raises(BackupDamaged, match=f"shop.dump: the SHA-256 of its bytes is [0-9a-f]{{64}}, {source} says {digest}"):
        points.add(s3, BUCKET, "i", [(None, shop)], sha256=[digest] if given else [])

    assert leftovers(s3) == []


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", ["20.dat", "blob_16401.dat"])
def test_a_directory_is_compared_file_by_file(s3: "S3Client", folder: Path, name: str, inside: bool) -> None:
    command = "cd shop.dir && sha256sum -- *" if inside else "sha256sum -b shop.dir/*"
    listed = subprocess.run(command, shell=True, cwd=folder.parent, check=True, capture_output=True).stdout  # noqa: S602
    folder.with_name("shop.dir.sha256").write_bytes(listed)
    points.add(s3, BUCKET, "i", [("sound", folder)])
    sound = len(leftovers(s3))
    flipped(folder / name)

    with pytest.raises(BackupDamaged, match=f"shop.dir: .*{name}: the SHA-256 of its bytes is .*, shop.dir.sha256 says"):
        points.add(s3, BUCKET, "i", [("damaged", folder)])

    assert len(leftovers(s3)) == sound


def test_native_backups_are_compared_too(s3: "S3Client", tmp_path: Path) -> None:
    path = tmp_path / "crm.bak"
    path.write_bytes(backup(Written()))
    (tmp_path / "crm.bak.sha256").write_text(f"{DIGEST} *crm.bak\n")

    with pytest.raises(BackupDamaged, match=r"crm.bak: the SHA-256 of its bytes is .*, crm.bak.sha256 says"):
        native_points.add(s3, BUCKET, "i", [path])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    native_points.add(s3, BUCKET, "i", [path], sha256=[digest])


@pytest.mark.parametrize(
    "text",
    [
        f"{DIGEST}  a.dump\n",
        f"{DIGEST} */backups/a.dump\r\n",
        f"{'0' * 64}  other\n\n{DIGEST.upper()}  ./a.dump",
        f"SHA256 (a.dump) = {DIGEST}\n",
        f"\ufeff{DIGEST}\n",
        f"{DIGEST}  a.dump\n{DIGEST}  /elsewhere/a.dump\n",
    ],
)
def test_the_forms_that_tools_write_are_understood(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.dump").write_bytes(b"content")
    (tmp_path / "a.dump.sha256").write_text(text)

    known = known_digests.of(tmp_path / "a.dump")

    assert known is not None
    known.require("a.dump", DIGEST)


def test_a_name_with_a_line_end_is_understood_as_sha256sum_escapes_it(tmp_path: Path) -> None:
    path = tmp_path / "a\\b\nc"
    path.write_bytes(b"content")
    listed = subprocess.run(["sha256sum", path.name], cwd=tmp_path, check=True, capture_output=True).stdout
    path.with_name(path.name + ".sha256").write_bytes(listed)

    known = known_digests.of(path)

    assert known is not None
    known.require(path.name, DIGEST)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has 0 digests for a.dump"),
        (f"{DIGEST}  b.dump\n", "has 0 digests for a.dump"),
        (f"{DIGEST}  a.dump\n{'0' * 64}  x/a.dump\n", "has 2 digests for a.dump"),
        (f"{DIGEST}  a.dump\n# made today\n", "line 2 isn't one that sha256sum writes"),
        (DIGEST[:-1] + "  a.dump\n", "line 1 isn't one that sha256sum writes"),
    ],
)
def test_a_list_that_does_not_say_it_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "a.dump").write_bytes(b"content")
    (tmp_path / "a.dump.sha256").write_text(text)

    with pytest.raises(BackupUnreadable, match=sentence):
        known_digests.of(tmp_path / "a.dump")


def test_a_list_must_name_exactly_the_files_of_the_directory(folder: Path) -> None:
    lines = [f"{DIGEST}  {path.name}\n" for path in folder.iterdir()]
    listed = folder.with_name("shop.dir.sha256")

    listed.write_text("".join(lines[1:]))
    with pytest.raises(BackupUnreadable, match="has no digest for"):
        known_digests.of(folder)
    listed.write_text("".join([*lines, f"{DIGEST}  99.dat\n"]))
    with pytest.raises(BackupDamaged, match=r"the file 99.dat, which shop.dir.sha256 lists, is missing"):
        known_digests.of(folder)


def test_a_directory_has_no_digest_of_its_own(folder: Path) -> None:
    with pytest.raises(RestoreRequestInvalid, match=r"write those of its files into shop.dir.sha256 next to it"):
        known_digests.of(folder, DIGEST)
    with pytest.raises(RestoreRequestInvalid, match="64 hexadecimal digits"):
        known_digests.of(folder, "abc")
