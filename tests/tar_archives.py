"""Unpacking tar archives on every Python 3.11: the filters came with 3.11.4, Debian 12 has 3.11.2."""

import tarfile
from collections.abc import Iterable
from pathlib import Path


def unpack(tar: tarfile.TarFile, folder: Path, members: Iterable[tarfile.TarInfo] | None = None) -> None:
    """Into `folder`. The archives are the tests' own, or of a known SHA-256."""
    if hasattr(tarfile, "data_filter"):
        tar.extractall(folder, members, filter="data")
    else:
        tar.extractall(folder, members)  # noqa: S202
