"""`make install` on machines that lack something, and in clones to which something happened. The lists are empty here, and the project is a
tiny one: what real packages take a minute for isn't what is tested, and nothing is asked of an index."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
MAKE = shutil.which("make") or "make"
LOCKED = "requirements/locked/everything.txt"
# Not even root can write there.
READ_ONLY_HOME = "/proc"
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "tiny"
version = "1.0"
"""
# Says that it was begun, and goes on as soon as it may.
BACKEND = """
import pathlib, time, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    pathlib.Path("begun").touch()
    while pathlib.Path("halt").exists():
        time.sleep(0.05)
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("tiny.py", "import sys\\ndef main():\\n    print(sys.executable)\\n")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny-1.0.dist-info/entry_points.txt", "[console_scripts]\\ntiny = tiny:main\\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return name
"""


def cloned(folder: Path) -> Path:
    (folder / "requirements" / "locked").mkdir(parents=True)
    for name in ("Makefile", "requirements/install.sh", "requirements/install.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / LOCKED).write_text("# nothing\n")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python that made our environment, in a folder with a blank."""
    link = tmp_path_factory.mktemp("another disk") / "our python3"
    link.symlink_to(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    return link


def environment(python: Path | None, **more: str) -> dict[str, str]:
    """As Debian gives it to a new user, but without a home; pip finds no settings and no index."""
    named = {"PYTHON": str(python)} if python else {}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", **named, **more}


def make(clone: Path, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([MAKE, "install"], cwd=clone, env=variables, capture_output=True, text=True, check=False, timeout=120)


def complaint(clone: Path, variables: dict[str, str]) -> str:
    """What a failed installation said; make adds a line of its own."""
    done = make(clone, variables)
    assert done.returncode == 2
    [said, of_make] = done.stderr.splitlines()
    assert of_make.startswith("make: *** [")
    return said


def interpreter(clone: Path) -> str:
    """Of an installed program."""
    return subprocess.run([clone / ".venv" / "bin" / "tiny"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Path:
    """One that is installed, in a folder that Debian's administrators don't have in mind."""
    folder = cloned(tmp_path_factory.mktemp("Müller's  disk") / "db restore")
    done = make(folder, environment(python, HOME=READ_ONLY_HOME))
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def moved_in(clone: Path, into: Path, python: Path) -> Path:
    """`into` with an environment of its own, as pip would have made it there: pip itself, which takes seconds, comes from the installed
    clone. What is listed isn't installed yet."""
    made, folder = clone / ".venv", into / ".venv"
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    for package in made.glob("lib/python*/site-packages/pip*"):
        shutil.copytree(package, folder / package.relative_to(made))
    (folder / "bin" / "pip").write_text((made / "bin" / "pip").read_text().replace(str(clone), str(into)))
    return into


def test_a_path_with_blanks_quotes_and_umlauts_and_a_home_that_is_read_only(clone: Path) -> None:
    assert interpreter(clone).startswith(f"{clone}/.venv/bin/")


def test_what_is_installed_is_not_installed_again_and_needs_no_python_on_the_path(clone: Path) -> None:
    stamp = (clone / ".venv" / ".installed").stat().st_mtime_ns

    done = make(clone, environment(None))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (clone / ".venv" / ".installed").stat().st_mtime_ns == stamp


def test_other_lists_are_installed_into_what_is_there(clone: Path) -> None:
    (clone / ".venv" / "bin" / "ours").touch()
    (clone / LOCKED).write_text("# still nothing\n")

    done = make(clone, environment(None))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Installing the packages")
    assert (clone / ".venv" / "bin" / "ours").exists()


def test_a_moved_clone_gets_an_environment_of_its_own(clone: Path, tmp_path: Path, python: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(clone, moved, symlinks=True)

    done = make(moved, environment(python))

    assert (done.returncode, done.stderr) == (0, "")
    assert "Making .venv anew: it was made in another folder" in done.stdout
    assert interpreter(moved).startswith(f"{moved}/.venv/bin/")


def test_an_environment_that_lost_its_python_is_made_anew(clone: Path, python: Path) -> None:
    (clone / ".venv" / "bin" / "python").unlink()
    (clone / ".venv" / "bin" / "python").symlink_to("/opt/python3.11.1/bin/python3")

    done = make(clone, environment(python))

    assert (done.returncode, done.stderr) == (0, "")
    assert ", and its Python is gone now\n" in done.stdout
    assert interpreter(clone).startswith(f"{clone}/.venv/bin/")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda venv: (venv / "bin" / "pip").unlink(), "it was made in another folder, or has no pip"),
        (lambda venv: (venv / "pyvenv.cfg").write_text("version = 3.9.2\n"), "it was made by Python 3.9.2, and its Python is 3.1"),
        (lambda venv: (venv / ".unfinished").touch(), "its installation was broken off"),
        (lambda venv: (shutil.rmtree(venv), venv.symlink_to("/tmp")), "it is no folder"),
    ],
)
def test_what_else_makes_an_environment_unusable(installer: ModuleType, harm: Callable[[Path], None], reason: str) -> None:
    venv.create(installer.VENV, with_pip=False)
    (installer.VENV / "bin" / "pip").write_text(f"#!{installer.VENV}/bin/python\n")
    assert installer._unusable() is None

    harm(installer.VENV)

    assert installer._unusable().startswith(reason)


def test_only_another_minor_version_makes_packages_unusable(installer: ModuleType) -> None:
    venv.create(installer.VENV, with_pip=False)
    (installer.VENV / "bin" / "pip").write_text(f"#!{installer.VENV}/bin/python\n")
    major, minor = sys.version_info[:2]

    (installer.VENV / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {major}.{minor}.99\n")

    assert installer._unusable() is None


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "It never came."
        time.sleep(0.05)


@contextmanager
def installing(clone: Path, python: Path) -> "Iterator[subprocess.Popen[str]]":
    """A `make install` in a session of its own, which pip leaves as soon as `halt` is gone."""
    with subprocess.Popen(
        [MAKE, "install"], cwd=clone, env=environment(python), stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            (clone / "halt").unlink(missing_ok=True)


def test_a_second_one_waits_and_finds_everything_done(tmp_path: Path, clone: Path, python: Path) -> None:
    folder = moved_in(clone, cloned(tmp_path / "clone"), python)
    (folder / "halt").touch()

    with installing(folder, python) as first:
        eventually((folder / "begun").exists)
        with installing(folder, python) as second:
            assert second.stdout
            assert second.stdout.readline().startswith("Another make is installing the packages here")
            (folder / "halt").unlink()
            assert (first.wait(60), second.wait(60)) == (0, 0)
            assert second.stdout.read() == ""


def parents(pid: int) -> list[int]:
    """A process and those that started it, up to the session's first."""
    found = [pid]
    while os.getsid(found[-1]) != found[-1]:
        found.append(int(Path(f"/proc/{found[-1]}/stat").read_text().rsplit(")", 1)[1].split()[1]))
    return found


def pid_of(script: str, session: int) -> int:
    """The process of a session that runs a script."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and os.getsid(int(entry.name)) == session and script in (entry / "cmdline").read_text():
            return int(entry.name)
    raise LookupError(script)


def test_one_that_was_killed_is_begun_again_after_the_end_of_its_pip(tmp_path: Path, clone: Path, python: Path) -> None:
    folder = moved_in(clone, cloned(tmp_path / "clone"), python)
    (folder / "halt").touch()

    with installing(folder, python) as killed:
        eventually((folder / "begun").exists)
        for pid in parents(pid_of("requirements/install.py", killed.pid)):
            os.kill(pid, signal.SIGKILL)
        with installing(folder, python) as second:
            assert second.stdout
            assert second.stdout.readline().startswith("Another make is installing the packages here")
            (folder / "halt").unlink()
            assert second.wait(60) == 0
            assert second.stdout.read().startswith("Making .venv anew: its installation was broken off\nInstalling")

    assert interpreter(folder).startswith(f"{folder}/.venv/bin/")


def test_no_network_is_one_sentence_and_the_next_attempt_succeeds(tmp_path: Path, clone: Path, python: Path) -> None:
    folder = moved_in(clone, cloned(tmp_path / "clone"), python)
    (folder / LOCKED).write_text(f"no-such-package-of-ours==1.0 --hash=sha256:{64 * '0'}\n")
    variables = environment(python, PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")
    del variables["PIP_NO_INDEX"]

    assert complaint(folder, variables).startswith(
        "The packages could not be installed: pip can't reach its package index. Connect to the network,"
    )

    (folder / LOCKED).write_text("# nothing\n")
    assert make(folder, environment(python)).returncode == 0


def test_what_pip_refuses_is_told_in_its_words(tmp_path: Path, clone: Path, python: Path) -> None:
    folder = moved_in(clone, cloned(tmp_path / "clone"), python)
    (folder / LOCKED).write_text(f"no-such-package-of-ours==1.0 --hash=sha256:{64 * '0'}\n")

    said = complaint(folder, environment(python))

    assert said.startswith("The packages could not be installed: Could not find a version that satisfies the requirement no-such-package")
    assert (folder / ".venv" / "install.log").read_text().count("no-such-package-of-ours") > 1


def wheel(folder: Path, content: str) -> Path:
    """Of a package `needed`, where pip finds it."""
    folder.mkdir()
    path = folder / "needed-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("needed.py", content)
        archive.writestr("needed-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n")
        archive.writestr("needed-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("needed-1.0.dist-info/RECORD", "")
    return path


def test_a_wheel_of_another_content_than_was_locked_is_not_installed(tmp_path: Path, clone: Path, python: Path) -> None:
    ours, other = wheel(tmp_path / "ours", ""), wheel(tmp_path / "other", "import harm")
    folder = moved_in(clone, cloned(tmp_path / "clone"), python)
    (folder / LOCKED).write_text(f"needed==1.0 --hash=sha256:{sha256(ours.read_bytes()).hexdigest()}\n")

    said = complaint(folder, environment(python, PIP_FIND_LINKS=str(other.parent)))

    assert said.startswith("The packages could not be installed: THESE PACKAGES DO NOT MATCH THE HASHES")
    assert not list(folder.glob(".venv/lib/python*/site-packages/needed.py"))
    assert make(folder, environment(python, PIP_FIND_LINKS=str(ours.parent))).returncode == 0
    assert list(folder.glob(".venv/lib/python*/site-packages/needed.py"))


def test_a_package_that_is_not_locked_is_not_installed(tmp_path: Path, clone: Path, python: Path) -> None:
    unlocked = wheel(tmp_path / "unlocked", "")
    folder = moved_in(clone, cloned(tmp_path / "clone"), python)
    (folder / LOCKED).write_text("needed==1.0\n")

    said = complaint(folder, environment(python, PIP_FIND_LINKS=str(unlocked.parent)))

    assert said.startswith("The packages could not be installed: Hashes are required in --require-hashes mode, but they are missing")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH without any Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "env", "sh"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def old_python(path: Path) -> None:
    code = 'import sys; sys.version_info = (3, 9, 2, "final", 0); exec(sys.argv[2])'
    program(path, f"[ \"$1\" = --version ] && echo Python 3.9.2 && exit\nexec '{sys.executable}' -c '{code}' \"$@\"")


@pytest.mark.parametrize("has_old", [False, True])
def test_no_python_that_is_new_enough_is_one_sentence(tmp_path: Path, tools: Path, has_old: bool) -> None:
    if has_old:
        old_python(tools / "python3")

    said = complaint(cloned(tmp_path / "clone"), environment(None, PATH=str(tools)))

    found = "Python 3.9.2" if has_old else "no Python"
    assert said.startswith(f"dbrestore needs Python 3.11 or newer, but the PATH has {found}. Install one (Debian 12, ")


def test_a_named_python_that_will_not_do_is_named(tmp_path: Path) -> None:
    old_python(tmp_path / "python3")

    said = complaint(cloned(tmp_path / "clone"), environment(tmp_path / "python3"))

    assert said.startswith(f"dbrestore needs Python 3.11 or newer, but PYTHON={tmp_path}/python3 is Python 3.9.2. ")


def without_venv(path: Path) -> None:
    """As Debian's is without the package python3-venv."""
    (path.parent / "ensurepip.py").write_text("raise ImportError('not here')\n")
    program(path, f"PYTHONPATH='{path.parent}' exec '{sys.executable}' \"$@\"")


def test_a_python_without_venv_is_one_sentence(tmp_path: Path, tools: Path) -> None:
    without_venv(tools / "python3")

    said = complaint(cloned(tmp_path / "clone"), environment(None, PATH=str(tools)))

    assert said.startswith(f"{tools}/python3 has no venv module: install it (Debian, Ubuntu: apt install python3.")


def test_a_python_without_venv_is_passed_over_for_one_that_has_it(tmp_path: Path, tools: Path, python: Path) -> None:
    without_venv(tools / "python3.11")
    (tools / "python3").symlink_to(python)

    assert make(cloned(tmp_path / "clone"), environment(None, PATH=str(tools))).returncode == 0


@pytest.fixture
def installer(tmp_path: Path) -> ModuleType:
    """requirements/install.py of a clone."""
    specification = importlib.util.spec_from_file_location("installer", cloned(tmp_path / "clone") / "requirements" / "install.py")
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_clone_of_another_user_is_one_sentence(
    installer: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != installer.ROOT)

    assert installer.main() == 1

    said = capsys.readouterr().err
    assert said == f"{installer.ROOT} can't be written by this user: give it to this user, or clone into a folder that is yours.\n"
    assert not installer.VENV.exists()


def test_a_full_disk_is_not_taken_for_a_missing_network(installer: ModuleType) -> None:
    log = "WARNING: Retrying after 'ReadTimeoutError'\nERROR: Could not install packages: [Errno 28] No space left on device\n"

    assert "[Errno 28] No space left on device. All that pip said" in installer._failure(log)
