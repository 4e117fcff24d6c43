"""SHA-256 digests that were taken where a backup was made: the only proof that no bit of it flipped on the way here, because pg_dump's
zstd, lz4 and uncompressed data carry no checksum. Invariant: where a digest is known, each byte that is stored was part of it.

They come from `--sha256`, or from a file beside the backup, `shop.dump.sha256`, as sha256sum writes it; for a directory
it lists all of its files (`cd shop.dir && sha256sum * > ../shop.dir.sha256`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from dbrestore.contract.errors import BackupDamaged, BackupUnreadable, RestoreRequestInvalid

SUFFIX: Final = ".sha256"
# `--sha256 -` stands for a backup whose digest isn't given, between others.
NOT_GIVEN: Final = "-"
# More than half a million files.
_LONGEST_LIST: Final = 64 << 20
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")
# Of sha256sum, of `sha256sum --tag` and shasum, and a digest alone.
_LINES: Final = (
    re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>.+)"),
    re.compile(r"(?P<escaped>\\?)SHA256 ?\((?P<name>.+)\) ?= ?(?P<digest>[0-9a-fA-F]{64})"),
    re.compile(r"(?P<escaped>)(?P<digest>[0-9a-fA-F]{64})(?P<name>) *"),
)


@dataclass(frozen=True)
class KnownDigests:
    """Digests (hex, lower case) by the names of the files; `source` is what messages call the place that they come from."""

    source: str
    by_name: dict[str, str]

    def require(self, name: str, found: str) -> None:
        """Raise BackupDamaged if the SHA-256 of the file `name` isn't the known one."""
        expected = self.by_name[name]
        if found != expected:
            raise BackupDamaged(
                f"{name}: the SHA-256 of its bytes is {found}, {self.source} says {expected}: copy it again from where it was made"
            )


def of(path: Path, given: str = NOT_GIVEN) -> KnownDigests | None:
    """What is known of a file or of the files in a directory; None if nothing is. `given` goes before the file beside it.

    Raises RestoreRequestInvalid for a `given` that can't be one, BackupUnreadable for a list that can't be understood or names other
    files, BackupDamaged for one that names a file more than the directory holds."""
    if given != NOT_GIVEN:
        return KnownDigests("--sha256", {path.name: _required(path, given)})
    listed = path.with_name(path.name + SUFFIX)
    if not listed.is_file():
        return None
    lines = list(_lines(listed))
    return _of_directory(path, listed, lines) if path.is_dir() else _of_file(path, listed, lines)


def required(given: str) -> str:
    """In lower case. Raises RestoreRequestInvalid for what can't be one."""
    if not _DIGEST.fullmatch(given):
        raise RestoreRequestInvalid(f"--sha256 {given}: a SHA-256 has 64 hexadecimal digits")
    return given.lower()


def _required(path: Path, given: str) -> str:
    digest = required(given)
    if path.is_dir():
        raise RestoreRequestInvalid(
            f"{path} is a directory, which has no SHA-256 of its own: write those of its files into {path.name}{SUFFIX} next to it "
            f"(sha256sum), and give --sha256 {NOT_GIVEN} or none"
        )
    return digest


def _lines(listed: Path) -> Iterator[tuple[str, str]]:
    """Name (empty if a digest stands alone) and digest of every line."""
    if listed.stat().st_size > _LONGEST_LIST:
        raise BackupUnreadable(f"{listed} isn't a list of digests: it has more than {_LONGEST_LIST:,} bytes")
    text = listed.read_text("utf-8", "surrogateescape").removeprefix("\ufeff")
    for number, line in enumerate(filter(str.strip, text.split("\n")), start=1):
        found = next(filter(None, (form.fullmatch(line.removesuffix("\r")) for form in _LINES)), None)
        if not found:
            raise BackupUnreadable(f"{listed}: line {number} isn't one that sha256sum writes")
        yield _unescaped(found["name"]) if found["escaped"] else found["name"], found["digest"].lower()


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "r": "\r"}.get(m[1], m[1]), name)


def _of_file(path: Path, listed: Path, lines: list[tuple[str, str]]) -> KnownDigests:
    found = {digest for name, digest in lines if PurePath(name).name in ("", path.name)}
    if len(found) != 1:
        raise BackupUnreadable(f"{listed} has {len(found)} digests for {path.name}, not one: correct or remove it")
    return KnownDigests(listed.name, {path.name: found.pop()})


def _of_directory(path: Path, listed: Path, lines: list[tuple[str, str]]) -> KnownDigests:
    """Names as they are in the directory, or with its own name before them."""
    own = {str(PurePath(name)).removeprefix(f"{path.name}/"): digest for name, digest in lines}
    present = {p.name for p in path.iterdir()}
    for name in sorted(present - own.keys()):
        raise BackupUnreadable(f"{listed} has no digest for {name}: list every file of the directory, or remove it")
    for name in sorted(own.keys() - present):
        raise BackupDamaged(f"the file {name}, which {listed.name} lists, is missing")
    return KnownDigests(listed.name, own)
