"""Which process is whose: what Linux tells of processes and of the ports that they listen on."""

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
# In /proc/<pid>/stat, counted from behind the name: when the process began, in ticks since the computer did.
_STARTED: Final = 19
_DIRECTORY: Final = b"--directory"


@dataclass(frozen=True)
class Listener:
    """Who listens on a port. `pid` is None where it is another person's and not ours to see; `cloud` is the folder of a local cloud."""

    user: str
    pid: int | None = None
    program: str = ""
    cloud: Path | None = None


def started(pid: int) -> str:
    """What tells a process from an earlier or later one with the same number; "" if there is none."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return ""
    return f"{boot}:{stat.rsplit(')', 1)[1].split()[_STARTED]}"


def cloud_of(pid: int) -> Path | None:
    """The folder of the local cloud that a process is; None if it is none, or none of ours to see."""
    words = _command(pid)
    if b"localcloud" in words and _DIRECTORY in words[:-1]:
        return Path(os.fsdecode(words[words.index(_DIRECTORY) + 1]))
    return None


def session(leader: int) -> Iterator[int]:
    """Every process of the session that a process leads or has led."""
    for pid in _all():
        with suppress(OSError):
            if os.getsid(pid) == leader:
                yield pid


def works_in(pid: int, folder: Path) -> bool:
    """Whether a process has to do with a folder: by its directory, its command or its environment."""
    with suppress(OSError):
        if (_PROC / str(pid) / "cwd").readlink().is_relative_to(folder):
            return True
    name = os.fsencode(folder)
    for file in ("cmdline", "environ"):
        with suppress(OSError):
            if name in (_PROC / str(pid) / file).read_bytes():
                return True
    return False


def listener(port: int) -> Listener | None:
    """Who listens on a port of 127.0.0.1; None if nobody can be found."""
    found = _socket(port)
    if found is None:
        return None
    inode, uid = found
    user = _user(uid)
    for pid in _all():
        with suppress(OSError):
            if any(_is_socket(entry, inode) for entry in (_PROC / str(pid) / "fd").iterdir()):
                return Listener(user, pid, (_PROC / str(pid) / "comm").read_text().strip(), cloud_of(pid))
    return Listener(user)


def _all() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())


def _command(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def _socket(port: int) -> tuple[str, int] | None:
    """Inode and user of the socket that listens on the port, on 127.0.0.1 or on every address."""
    for line in (_PROC / "net/tcp").read_text().splitlines()[1:]:
        (
            _,
            local,
            _,
            state,
            *_,
        ) = fields = line.split()
        address, number = local.split(":")
        if state == _LISTENING and int(number, 16) == port and address in ("0100007F", "00000000"):
            return fields[9], int(fields[7])
    return None


def _is_socket(entry: Path, inode: str) -> bool:
    with suppress(OSError):
        return str(entry.readlink()) == f"socket:[{inode}]"
    return False


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"number {uid}"
