"""Archived backups are retrieved where they lie, if whoever adds them asks for that: S3 takes hours, and the same command adds them then.

Invariant: what is on its way is not asked for again, and nothing is asked for unless every archive that is met has the tier.
"""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from dbrestore.contract.errors import ArchiveTierImpossible, BackupArchived
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request import ArchiveTier
from dbrestore.points.archive_classes import LONGEST_WAIT, NAMES, OF_COPIES
from dbrestore.points.in_s3 import keys_given
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.refusals import explained
from dbrestore.points.in_s3.source import Source

_AT_ONCE: Final = 16
_MAY_BE_ARCHIVED: Final = ("GLACIER", "DEEP_ARCHIVE", "INTELLIGENT_TIERING")
# On its way already, or back before the request came.
_FINE: Final = ("RestoreAlreadyInProgress", "ObjectAlreadyInActiveTierError")


@dataclass(frozen=True)
class Wish:
    """How archived objects are retrieved: for so many days, where the retrieval makes a copy."""

    tier: ArchiveTier
    days: int


@dataclass(frozen=True)
class _Archived:
    key: str
    length: int
    archive: str
    on_its_way: bool


def require_readable(source: Source, keys: Sequence[str], wish: Wish, suffixes: Sequence[str] = ("",)) -> None:
    """Pass if every object at these keys, and below these prefixes with one of the suffixes, can be read. Otherwise have S3 retrieve what
    is archived, and raise BackupArchived with when to come again. Raises ArchiveTierImpossible before anything is asked for."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="archive") as threads:
        looked = threads.map(lambda key: _look(source, key), _candidates(source, keys, suffixes))
        archived = [one for one in looked if one]
        if not archived:
            return
        _require_tier(archived, wish)
        list(threads.map(lambda one: _ask(source, one, wish), [one for one in archived if not one.on_its_way]))
    raise BackupArchived(_told(source, archived, wish))


def _candidates(source: Source, keys: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for key in keys:
        if keys_given.of_one_object(source, key):
            found[key] = None
        else:
            below = keys_given.with_suffix(keys_given.below(source, key), suffixes)
            found |= dict.fromkeys(one.key for one in below if one.storage_class in _MAY_BE_ARCHIVED)
    return list(found)


def _look(source: Source, key: str) -> _Archived | None:
    try:
        told = source.s3.head_object(**source.arguments, Key=key)
    except ClientError as error:
        raise explained(error, str(S3Location(source.bucket, key))) from error
    archive = told.get("ArchiveStatus") or told.get("StorageClass", "")
    restore = told.get("Restore", "")
    if archive not in LONGEST_WAIT or 'ongoing-request="false"' in restore:
        return None
    return _Archived(key, told["ContentLength"], archive, on_its_way='ongoing-request="true"' in restore)


def _require_tier(archived: Sequence[_Archived], wish: Wish) -> None:
    for archive, number in Counter(one.archive for one in archived).items():
        if wish.tier not in LONGEST_WAIT[archive]:
            instead = " or ".join(f"{tier} (at most {hours:g} hours)" for tier, hours in LONGEST_WAIT[archive].items())
            sentence = f"{number:,} of the objects are in {NAMES[archive]}, which has no {wish.tier} retrieval: ask for {instead}"
            raise ArchiveTierImpossible(sentence)


def _ask(source: Source, one: _Archived, wish: Wish) -> None:
    request: Any = {"GlacierJobParameters": {"Tier": wish.tier}, **({"Days": wish.days} if one.archive in OF_COPIES else {})}
    try:
        source.s3.restore_object(**source.arguments, Key=one.key, RestoreRequest=request)
    except ClientError as error:
        if error_code(error) not in _FINE:
            raise explained(error, f"{S3Location(source.bucket, one.key)}: its retrieval (s3:RestoreObject)") from error


def _told(source: Source, archived: Sequence[_Archived], wish: Wish) -> str:
    longest = max(LONGEST_WAIT[one.archive][wish.tier] for one in archived)
    size = sum(one.length for one in archived)
    waiting = sum(one.on_its_way for one in archived)
    were = f", {waiting:,} of them before" if waiting else ""
    return (
        f"s3://{source.bucket}: {len(archived):,} archived objects ({size / 1e9:,.1f} GB) were asked back from S3 ({wish.tier}{were}), "
        f"which takes {longest:g} hours at most. Then run the same command again, within {wish.days} days: it adds them"
    )
