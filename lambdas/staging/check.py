"""Each staged object against the manifest: its length, the checksum that S3 computed of it, and its header, read again."""

import base64
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from dbrestore.contract.errors import NotReady
from dbrestore.contract.manifest import NativeKind
from dbrestore.contract.sqlserver_errors import StagedCopyDiffers
from dbrestore.points.sqlserver.file import inspect
from dbrestore.points.sqlserver.header import NativeHeader
from lambdas.runtime.telemetry import log
from lambdas.staging.copy import Pace, Place
from lambdas.staging.files import StagedFile

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

# The header's letters.
KINDS: dict[NativeKind, str] = {"FULL": "D", "DIFFERENTIAL": "I", "LOG": "L"}


def compare(files: Iterable[StagedFile], target: Place, pace: Pace) -> str | None:
    """Compare all; a sentence about those that S3 has no comparable checksum of, if there are any. Raises StagedCopyDiffers, naming the
    first that differs, and NotReady if the invocation's time is over before it begins."""
    files = tuple(files)
    if pace.is_over():
        raise NotReady("all parts are copied; the copies are compared next")
    with ThreadPoolExecutor(pace.threads, thread_name_prefix="compare") as threads:
        summed = list(threads.map(lambda file: _compare(file, target), files))
    without = len(files) - sum(summed)
    if not without:
        return None
    note = f"{without} of {len(files)} files were compared by length and header alone: the restore point has no CRC-32 of them"
    log.warning(note)
    return note


def _compare(file: StagedFile, target: Place) -> bool:
    """Whether there was a checksum to compare."""
    told = target.s3.head_object(**target.arguments, Key=file.key, ChecksumMode="ENABLED")
    if told["ContentLength"] != file.length:
        raise _differs(file, f"it has {told['ContentLength']:,} bytes, and the manifest says {file.length:,}")
    expected, found = _checksums(file, told)
    if expected and expected != found:
        raise _differs(file, f"S3 computed the checksum {found}, and the manifest says {expected}")
    _compare_header(file, target)
    return expected is not None


def _checksums(file: StagedFile, told: "HeadObjectOutputTypeDef") -> tuple[str | None, str | None]:
    """(the manifest's, S3's) of the whole file, by whichever algorithm both have. A checksum of parts' checksums ends in `-<parts>`."""
    if (found := told.get("ChecksumSHA256")) and file.stored.sha256:
        return base64.b64encode(bytes.fromhex(file.stored.sha256)).decode(), found
    found = told.get("ChecksumCRC32", "")
    return (file.stored.crc32, found) if found and "-" not in found else (None, None)


def _compare_header(file: StagedFile, target: Place) -> None:
    def read(offset: int, count: int) -> bytes:
        wanted = f"bytes={offset}-{offset + count - 1}"
        with closing(target.s3.get_object(**target.arguments, Key=file.key, Range=wanted)["Body"]) as body:
            return body.read()

    found = inspect(file.key, file.length, read)
    if found.problems:
        raise _differs(file, found.problems[0][1])
    if len(found.sets) > 1:
        raise _differs(file, f"it holds {len(found.sets)} backup sets, and RDS restores the first alone")
    if found.header is None or _identity(found.header) != _expected(file):
        raise _differs(file, "its header is of a different backup than the manifest says")


def _identity(header: NativeHeader) -> tuple[str, str, int, int, str]:
    said = header.backup_set
    return (str(said.id), str(header.media_set_id), header.stripe, header.stripes, said.kind)


def _expected(file: StagedFile) -> tuple[str, str, int, int, str]:
    one = file.backup_set
    return (one.set_id, one.media_set_id, file.stripe, len(one.files), KINDS[one.kind])


def _differs(file: StagedFile, why: str) -> StagedCopyDiffers:
    return StagedCopyDiffers(f"The copy of {file.source_key} is not what was backed up: {why}; choose another restore point")
