"""The local cloud in the background."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from localcloud import daemon
from localcloud.base.clients import Clients
from localcloud.daemon import Running
from localcloud.server import LocalCloudError
from tests.server_folder import server_folder

ASSEMBLY = Path(__file__).parent / "assembly"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home of the daemon, passable for an unprivileged database server (pytest's own folders are closed again by every other run),
    and a profile that must not matter."""
    with server_folder("dbrestore-test-") as home:
        monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(home))
        monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
        yield home
        _end_the_cloud_of(home)


def _end_the_cloud_of(home: Path) -> None:
    """A test may have turned to another folder meanwhile; its first cloud would outlive it, and the run."""
    with pytest.MonkeyPatch.context() as at_home:
        at_home.setenv("DBRESTORE_LOCAL_DIR", str(home))
        daemon.down()
    assert [process.args for process in daemon._started if process.poll() is None and str(home / "cloud") in process.args] == []


def _client(running: Running, service: str) -> Any:
    return Clients(running.endpoint).client(service)


def _busy(running: Running) -> tuple[int, int]:
    """The processes of a function and of a database server that the cloud was made to start."""
    functions = _client(running, "lambda")
    name = functions.list_functions()["Functions"][0]["FunctionName"]
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"sleep": 60}')
    _client(running, "rds").create_db_instance(
        DBInstanceIdentifier="shop",
        Engine="postgres",
        DBInstanceClass="db.t4g.micro",
        AllocatedStorage=20,
        MasterUsername="boss",
        ManageMasterUserPassword=True,
    )
    try:
        return _eventually(lambda: _pid_of_function(running)), _eventually(lambda: _pid_of_database(running))
    except AssertionError as error:
        raise AssertionError("".join(log.read_text() for log in running.directory.glob("*.log"))) from error


def _pid_of_function(running: Running) -> int | None:
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and _runs_in(entry, running.directory / "lambda")]
    return found[0] if found else None


def _runs_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _pid_of_database(running: Running) -> int | None:
    pid_files = list(running.directory.glob("rds/*/data/postmaster.pid"))
    return int(pid_files[0].read_text().split()[0]) if pid_files and "ready" in pid_files[0].read_text() else None


def _eventually(look: Any, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, "It never came."
        time.sleep(0.1)
    return seen


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("crash", [False, True], ids=["asked to end", "after a crash"])
def test_down_ends_everything_and_removes_every_file(folder: Path, crash: bool) -> None:
    running = daemon.up(assembly=ASSEMBLY)
    function, database = _busy(running)
    assert _alive(function)
    assert _alive(database)

    if crash:
        os.kill(running.pid, signal.SIGKILL)
        os.waitpid(running.pid, 0)
        assert daemon.status() is None
    assert daemon.down() is True

    _eventually(lambda: not any(map(_alive, (running.pid, function, database))), seconds=5)
    assert list(folder.iterdir()) == []
    assert daemon.status() is None
    assert daemon.down() is False


def test_a_folder_into_which_a_dying_process_still_writes_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    (folder / "data").mkdir(parents=True)
    writing = "import os, time\nend = time.time() + 0.5\nn = 0\nwhile time.time() < end:\n    n += 1\n    open(f'{n % 2000}', 'w')"
    with subprocess.Popen([sys.executable, "-c", writing], cwd=folder / "data", stderr=subprocess.DEVNULL):
        _eventually(lambda: len(list((folder / "data").iterdir())) > 100, seconds=5)

        daemon._remove(folder)

    assert not folder.exists()


def test_a_folder_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)

    with pytest.raises(LocalCloudError, match=f"{tmp_path} can't be removed"):
        daemon._remove(tmp_path, within=0.0)


def test_up_twice_is_one_cloud(folder: Path) -> None:
    first = daemon.up(assembly=ASSEMBLY)

    second = daemon.up(assembly=ASSEMBLY)

    assert (first.already, second.already) == (False, True)
    assert (second.pid, second.endpoint) == (first.pid, first.endpoint)
    assert daemon.status() == first
    assert _client(second, "sts").get_caller_identity()["Account"] == "123456789012"


def test_a_busy_port_is_named_and_nothing_is_left(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(LocalCloudError, match="in use"):
        daemon.up(port=other.getsockname()[1], assembly=ASSEMBLY)

    assert list(folder.iterdir()) == []


def test_what_cannot_be_deployed_is_told_and_nothing_is_left(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match=r"manifest\.json"):
        daemon.up(assembly=tmp_path)

    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_ours_is_left_alone(folder: Path) -> None:
    (folder / "cloud").mkdir()
    (folder / "cloud" / "thesis.tex").write_text("years of work")

    with pytest.raises(LocalCloudError, match="move it or name"):
        daemon.up(assembly=ASSEMBLY)

    assert (folder / "cloud" / "thesis.tex").read_text() == "years of work"


@pytest.fixture
def other_folder(folder: Path) -> Iterator[Path]:
    """The home of another cloud on this computer."""
    with server_folder("dbrestore-test-") as home:
        yield home
        _end_the_cloud_of(home)


def test_two_clouds_side_by_side_never_end_one_another(folder: Path, other_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = daemon.up(assembly=ASSEMBLY)
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(other_folder))
    second = daemon.up(assembly=ASSEMBLY)
    function, database = _busy(second)

    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(folder))
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    assert daemon.status() is None
    assert daemon.down() is True

    assert list(folder.iterdir()) == []
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(other_folder))
    assert daemon.status() == second
    assert all(map(_alive, (second.pid, function, database)))
    assert _client(second, "sts").get_caller_identity()["Account"] == "123456789012"


def test_a_port_that_another_cloud_holds_is_named_with_its_owner(folder: Path, other_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = daemon.up(assembly=ASSEMBLY)
    monkeypatch.setenv("DBRESTORE_LOCAL_DIR", str(other_folder))

    with pytest.raises(LocalCloudError) as caught:
        daemon.up(port=first.port, assembly=ASSEMBLY)

    assert f"in use by the local cloud in {folder} (process {first.pid} of the user " in str(caught.value)
    assert f"DBRESTORE_LOCAL_DIR={folder} dbrestore local down" in str(caught.value)
    assert list(other_folder.iterdir()) == []
    assert _alive(first.pid)


def test_a_port_that_a_program_holds_is_named_with_the_program(folder: Path) -> None:
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); time.sleep(60)"
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout
        port = int(program.stdout.readline())
        with pytest.raises(LocalCloudError, match=rf"in use by the program python.* \(process {program.pid} of the user "):
            daemon.up(port=port, assembly=ASSEMBLY)
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize("is_cloud", [False, True], ids=["a shell", "another cloud"])
@pytest.mark.parametrize("started", ["long ago", ""], ids=["recorded", "by an older version"])
def test_a_process_that_got_the_number_of_a_dead_cloud_is_left_alone(folder: Path, is_cloud: bool, started: str) -> None:
    disguise = ["localcloud", "--directory", str(folder.parent / "elsewhere" / "cloud")] if is_cloud else []
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *disguise], start_new_session=True)
    try:
        cloud = {
            "pid": innocent.pid,
            "endpoint": "http://127.0.0.1:4566",
            "directory": str(folder / "cloud"),
            "started": started,
        }
        (folder / "state.json").write_text(json.dumps(cloud))

        assert daemon.status() is None
        assert daemon.down() is True

        assert innocent.poll() is None
        assert list(folder.iterdir()) == []
    finally:
        innocent.kill()
        innocent.wait()


def test_what_stands_in_another_person_s_folder_decides_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    trap = {"pid": 1, "endpoint": "http://127.0.0.1:4566", "directory": str(thesis)}
    (folder / "state.json").write_text(json.dumps(trap))
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)

    for call in (daemon.down, daemon.status, lambda: daemon.up(assembly=ASSEMBLY)):
        with pytest.raises(LocalCloudError, match="belongs to another user"):
            call()

    assert thesis.exists()
    monkeypatch.setattr(os, "getuid", lambda: me)
    (folder / "state.json").unlink()


def test_two_ups_at_once_are_one_cloud(folder: Path) -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: daemon.up(assembly=ASSEMBLY), range(2))

    assert {first.already, second.already} == {True, False}
    assert first.pid == second.pid
    assert _alive(first.pid)


# An environment that has what the command needs alone: there the import says that there is no such module.
WITHOUT = "import sys\nfrom runpy import run_module\nsys.modules[{package!r}] = None\nsys.argv = {argv!r}\n{run}"


@pytest.mark.parametrize(
    ("package", "argv", "run"),
    [
        ("requests", ["dbrestore", "local", "up"], "from dbrestore.cli.main import main\nmain()"),
        ("moto", ["dbrestore", "local", "status"], "from dbrestore.cli.main import main\nmain()"),
        ("moto", ["localcloud", "--directory", "cloud"], "run_module('localcloud', run_name='__main__')"),
    ],
)
def test_without_the_packages_of_the_local_cloud_one_sentence_says_so(tmp_path: Path, package: str, argv: list[str], run: str) -> None:
    program = WITHOUT.format(package=package, argv=argv, run=run)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert done.returncode != 0
    told = f"The local cloud needs the package {package}, which isn't installed here: run `make install` in the checkout"
    assert done.stderr.splitlines()[-1].endswith(told)
    assert "Traceback" not in done.stderr
