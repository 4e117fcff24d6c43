"""How a generated database is dumped: format, compression, options, all drawn from its number."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

_WHOLE = (
    (),
    (),
    (),
    ("--quote-all-identifiers",),
    ("--load-via-partition-root",),
    ("--quote-all-identifiers", "--load-via-partition-root"),
)
_PARTS = (
    ("--no-owner",),
    ("--no-comments",),
    ("--no-privileges",),
    ("--section=pre-data", "--section=data"),
    ("--schema-only",),
    ("--no-large-objects",),
    ("--exclude-table-data=public.*",),
    ("-n", "public"),
    ("-N", "public"),
    ("-t", "public.t*"),
    ("--section=pre-data", "--section=data", "--section=post-data"),
    ("--no-owner", "--quote-all-identifiers"),
)
# Those of 16 and 18 that can be had here know the first three only.
_CODECS = ("none", "gzip", "gzip:9", "lz4", "zstd")


@dataclass(frozen=True)
class Dump:
    """Arguments of pg_dump; `is_whole`: all of the database is in the dump. (--no-owner changes nothing in an archive.)"""

    arguments: tuple[str, ...]
    is_whole: bool

    def run(self, pg_dump: Path, dsn: str, path: Path) -> Path:
        """Dump; raises RuntimeError with what pg_dump said."""
        done = subprocess.run([str(pg_dump), *self.arguments, "-f", str(path), "-d", dsn], capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"pg_dump: {done.stderr.decode(errors='replace')[-1000:]}")
        return path


def dump_of(number: int, version: int, target: int) -> Dump:
    """The way in which the database of this number is dumped by the pg_dump of this version, for the pg_restore of the target's."""
    chance = random.Random(number)
    is_whole = chance.random() < 0.65
    options = chance.choice(_WHOLE if is_whole else _PARTS)
    if version >= 18 and chance.random() < 0.5:
        options = (*options, "--statistics")
    if version < 16:
        compression = chance.choice((("-Z0",), ("-Z1",), ()))
        options = tuple(o.replace("large-objects", "blobs") for o in options)
    else:
        drawn = chance.choice(_CODECS if version == 17 else _CODECS[:3])
        compression = ("-Z", drawn if target == 17 or drawn in _CODECS[:3] else "gzip")
    return Dump((chance.choice(("-Fc", "-Fd")), *compression, *options), is_whole)
