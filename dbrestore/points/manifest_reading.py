"""A manifest out of the repository, as text that anybody may have changed. Invariant: it is understood and consistent, or one error says
what is wrong with it; nothing in it makes the reader take more memory than a manifest of the longest kind.

Written strictly, read tolerantly: keys that this version doesn't know are ignored, what it needs must be there.
"""

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged, BackupUnreadable
from dbrestore.contract.manifest import SCHEMA_VERSION, Manifest
from dbrestore.points.pgdump import manifest_check

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

# Some 100,000 tables with data. Parsed, a manifest takes about ten times its length.
LONGEST: Final = 32 << 20
# A parser's memory grows with the lists and objects in a text, 600 bytes for each: `[],[],[]` takes two hundred times its length. Those
# of a manifest have 60 bytes and more on average.
_SHORTEST_ON_AVERAGE: Final = 20
_WITHOUT_COUNTING: Final = 1 << 20
# Names in it may be as long as the manifest.
_LONGEST_PLACE: Final = 200
_LONGEST_SENTENCE: Final = 500

_MEND: Final = "choose another restore point, or add the backups again"


class _Versioned(BaseModel):
    """What every version of the manifest says."""

    schemaVersion: str  # noqa: N815 # as it stands in the JSON


class Stored(NamedTuple):
    """A manifest and the SHA-256 of its text, in hexadecimal digits."""

    manifest: Manifest
    sha256: str


def fetch(s3: "S3Client", bucket: str, key: str, expected: str | None = None) -> Stored:
    """The manifest at `key`. `expected` is the SHA-256 that the plan found, None if no plan says. Raises BackupDamaged if the text is
    another one, too long or refused by `parse`, and S3's own error if it can't be had."""
    uri = f"s3://{bucket}/{key}"
    response = s3.get_object(Bucket=bucket, Key=key)
    with closing(response["Body"]) as body:
        if response["ContentLength"] > LONGEST:
            raise BackupDamaged(
                f"{uri} has {response['ContentLength']:,} bytes and was not read: a manifest has {LONGEST:,} at most: {_MEND}"
            )
        text = body.read()
    sha256 = hashlib.sha256(text).hexdigest()
    if expected not in (None, sha256):
        raise BackupDamaged(
            f"{uri} was changed after the restore had been planned: its SHA-256 was {expected} and is {sha256}. Find out who changed it "
            "before you restore from this point; then start the restore again, so that it is planned anew"
        )
    manifest = parse(uri, text)
    if keys.manifest_key(manifest.instance, manifest.point_id) != key:
        raise BackupDamaged(f"{uri} is the manifest of {manifest.instance} {manifest.point_id}, which is stored elsewhere: {_MEND}")
    return Stored(manifest, sha256)


def parse(uri: str, text: bytes) -> Manifest:
    """The manifest that a text is. Raises BackupDamaged, naming `uri`, for one that can't be read or contradicts itself, BackupUnreadable
    for one of another schema version."""
    if len(text) > _WITHOUT_COUNTING and (text.count(b"[") + text.count(b"{")) * _SHORTEST_ON_AVERAGE > len(text):
        raise BackupDamaged(f"{uri} isn't a manifest: it consists of short lists and objects: {_MEND}")
    try:
        manifest = Manifest.from_json(text)
    except ValidationError as error:
        _refuse_other_version(uri, text)
        first = error.errors(include_url=False, include_input=False)[0]
        place = "".join(f"/{part}" for part in first["loc"])
        raise BackupDamaged(f"{uri} can't be read as a manifest ({place[:_LONGEST_PLACE] or '/'}: {first['msg']}): {_MEND}") from error
    try:
        manifest_check.require_consistent(manifest)
    except BackupDamaged as error:
        raise BackupDamaged(f"{uri} contradicts itself: {str(error)[:_LONGEST_SENTENCE]}: {_MEND}") from error
    return manifest


def _refuse_other_version(uri: str, text: bytes) -> None:
    try:
        version = _Versioned.model_validate_json(text).schemaVersion
    except ValidationError:
        return
    if version != SCHEMA_VERSION:
        raise BackupUnreadable(f"{uri} has the schema version {version[:20]!r}, and this program knows {SCHEMA_VERSION!r}: update it")
