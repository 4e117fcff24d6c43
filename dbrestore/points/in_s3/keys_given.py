"""What somebody means by a place in S3: one object, or everything below a prefix."""

from collections.abc import Iterator, Sequence
from typing import Final

from dbrestore.contract.errors import SourceNotFound
from dbrestore.points.in_s3.location import S3Location
from dbrestore.points.in_s3.source import Listed, Source

SLASH: Final = "/"


def of_one_object(source: Source, key: str) -> bool:
    """Whether the key is an object's; what ends in a slash, and the bucket itself, is a prefix."""
    return bool(key) and not key.endswith(SLASH) and source.exists(key)


def prefix_of(key: str) -> str:
    """The prefix of everything below: `nightly` means `nightly/`."""
    return key if not key or key.endswith(SLASH) else key + SLASH


def below(source: Source, key: str) -> Sequence[Listed]:
    """Everything below a prefix but the markers of folders. Raises SourceNotFound if there is nothing."""
    found = [one for one in source.listed(prefix_of(key)) if not (one.key.endswith(SLASH) and not one.length)]
    if not found:
        raise SourceNotFound(f"{S3Location(source.bucket, key)}: there is neither such an object nor anything below it: compare the name")
    return found


def with_suffix(objects: Sequence[Listed], suffixes: Sequence[str]) -> Iterator[Listed]:
    """Those whose names end so, in whichever case."""
    return (one for one in objects if one.key.lower().endswith(tuple(suffixes)))
