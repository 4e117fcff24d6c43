"""The pattern of a rule that would have adopted what was found in a bucket: a beginning for a person, who knows what arrives there."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from dbrestore.contract.adoption.patterns import parse
from dbrestore.contract.manifest import Engine
from dbrestore.points.in_s3 import location
from dbrestore.points.in_s3.discovery import WouldBe

# What `{time}` stands for begins with a year.
_TIME: Final = re.compile(r"(?<![0-9A-Za-z])(?:19|20)\d\d[0-9\-_.:+TZ]*(?<=\d)Z?")


def pattern_for(point: WouldBe) -> str | None:
    """The pattern of a rule that means the point's own objects; None where none does."""
    keys = [location.parse(source).key for source in point.sources]
    for text in ENGINES[point.engine](point, keys[0]):
        try:
            pattern = parse(text)
        except ValueError:
            continue
        if all(pattern.match(f"{key}toc.dat" if pattern.of_directories else key) for key in keys):
            return text
    return None


def _native(point: WouldBe, key: str) -> Iterator[str]:
    folder, slash, _ = key.rpartition("/")
    yield f"{_TIME.sub('*', folder)}{slash}*"
    if folder:
        yield f"{folder.partition('/')[0]}/**"


def _dumps(point: WouldBe, key: str) -> Iterator[str]:
    folder, slash, name = key.rstrip("/").rpartition("/")
    end = "/" if key.endswith("/") else ""
    run = "{run}" if len(point.sources) > 1 else "{time}"
    folders = _TIME.sub(lambda found: run if found[0] == folder.rpartition("/")[2] else "{time}", folder)
    for database in point.databases:
        before, found, after = name.partition(database)
        if found:
            yield f"{folders}{slash}{_TIME.sub('{time}', before)}{{database}}{_TIME.sub('{time}', after)}{end}"
    yield f"{folders}{slash}{_TIME.sub('{time}', name)}{end}"


# By the engine: what may be meant, the closest first.
ENGINES: Final[dict[Engine, Callable[[WouldBe, str], Iterator[str]]]] = {"postgres": _dumps, "sqlserver": _native}
