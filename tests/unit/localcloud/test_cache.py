"""Where fetched programs are kept, on computers that have no home or a read-only one."""

import os
from pathlib import Path

import pytest

from localcloud import daemon
from localcloud.base import cache, registry_packages
from localcloud.server import LocalCloudError

# Not even root can write there.
READ_ONLY = "/proc"


def test_all_checkouts_of_a_user_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache.folder() == tmp_path / "dbrestore"
    assert cache.folder().is_dir()


def test_with_a_home_that_is_read_only_it_lies_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    monkeypatch.setenv("HOME", READ_ONLY)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    assert cache.folder() == cache.ROOT / ".local" / "cache"


@pytest.fixture
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user that nobody has entered anywhere."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    for name in ("HOME", "XDG_CACHE_HOME", "DBRESTORE_LOCAL_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_it_lies_in_the_checkout() -> None:
    assert cache.folder() == cache.ROOT / ".local" / "cache"


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_the_local_cloud_asks_for_a_directory() -> None:
    with pytest.raises(LocalCloudError, match=r"no home directory\. Name a directory with DBRESTORE_LOCAL_DIR"):
        daemon.up()


def test_with_a_home_that_is_read_only_the_local_cloud_asks_for_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", f"{READ_ONLY}/local")

    with pytest.raises(LocalCloudError, match=r"/proc/local can't be made \(.*\)\. Name a directory of your own with DBRESTORE_LOCAL_DIR"):
        daemon.up()


def test_npm_writes_nothing_into_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")

    with pytest.raises(registry_packages.PackageNotAvailable, match="could not be fetched"):
        registry_packages.npm("no-such-package-of-ours@1.0.0", "", tmp_path / "package")

    assert list(tmp_path.iterdir()) == []
