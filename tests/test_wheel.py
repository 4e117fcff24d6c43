"""The wheel: one package, whole, that runs without the checkout and knows which version it is of. Nothing here asks an index."""

import ast
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dbrestore.cli import own_version
from dbrestore.contract.deployed import versions
from dbrestore.contract.questions.examination import Expected
from tests import tar_archives

ROOT = Path(__file__).parent.parent
SOURCES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "requirements.txt",
    "configuration",
    "dbrestore",
    "lambdas",
    "requirements",
    "statemachine",
)
STAMP = "dbrestore/cli/fingerprints.json"
COMPILED = shutil.ignore_patterns("__pycache__")
# boto3's and pydantic's own other halves: neither can be installed without them.
BROUGHT_ALONG = {"botocore", "urllib3", "pydantic-core"}
# What a person installs; the worker's packages come with `[worker]`.
ROOMS_OF_THE_COMMAND = ("contract", "ledger", "points", "cli")


def copied(folder: Path) -> Path:
    """The source tree, so that a build writes nothing into the checkout."""
    folder.mkdir(exist_ok=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=COMPILED)
        else:
            shutil.copy(source, folder / name)
    return folder


def built(tree: Path, into: Path) -> Path:
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(into), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = into.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(copied(tmp_path_factory.mktemp("tree")), tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was installed into."""
    folder = tmp_path_factory.mktemp("installed")
    options = ("--quiet", "--no-index", "--no-deps")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(wheel)], check=True)
    return folder


def python(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python with that folder and our dependencies; -S leaves the checkout out, which the virtual environment would bring."""
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))
    return subprocess.run(
        [sys.executable, "-P", "-s", "-S", *arguments],
        env={"PYTHONPATH": f"{installed}:{site_packages}"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def command(installed: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return python(installed, "-m", "dbrestore.cli.main", *arguments)


def expected_by(installed: Path) -> Expected:
    done = python(installed, "-c", "from dbrestore.cli import own_version; print(own_version.expected().to_json())")
    return Expected.from_json(done.stdout)


def test_it_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "dbrestore").rglob("*") if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert files == {name for name in sources if "__pycache__" not in name} | {STAMP}


def test_it_says_what_it_needs_and_under_which_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        about = next(name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = message_from_bytes(archive.read(f"{about}/METADATA"))
        licence = archive.read(f"{about}/licenses/LICENSE")
    needed = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]

    assert (metadata["Version"], metadata["License-Expression"]) == (versions.NUMBER, "Apache-2.0")
    assert licence == (ROOT / "LICENSE").read_bytes()
    assert {str(one) for one in needed if one.marker is None} == {str(one) for one in requirements("cli")}
    for extra in ("cli", "worker", "local", "dev"):
        of_extra = [one for one in needed if one.marker and one.marker.evaluate({"extra": extra})]
        assert {one.name for one in of_extra} == {one.name for one in requirements(extra)}


def requirements(name: str) -> list[Requirement]:
    """Without the hashes, which stand in lines of their own."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if line and not line.startswith(("#", " "))]


@pytest.mark.parametrize("name", ["cli", "worker", "lambda", "local", "dev"])
def test_what_is_tested_is_in_the_range_that_is_promised(name: str) -> None:
    pinned = {canonicalize_name(one.name): one for one in requirements("constraints")}

    for promised in requirements(name):
        [exact] = pinned[canonicalize_name(promised.name)].specifier
        assert promised.specifier.contains(exact.version), promised


@pytest.mark.parametrize("name", ["everything", "lambda", "worker"])
def test_what_is_locked_is_what_is_tested_and_covers_its_lists(name: str) -> None:
    tested, locked = (set(map(str, requirements(path))) for path in ("constraints", f"locked/{name}"))
    lists = ("lambda", "worker", "cli", "local", "dev") if name == "everything" else (name,)

    assert locked <= tested if name != "everything" else locked == tested
    names = {canonicalize_name(Requirement(one).name) for one in locked}
    assert {canonicalize_name(one.name) for path in lists for one in requirements(path)} <= names


@pytest.mark.parametrize("room", [*ROOMS_OF_THE_COMMAND, "worker"])
def test_every_import_is_of_the_standard_library_of_dbrestore_or_of_what_is_declared(room: str) -> None:
    declared = {one.name.lower() for one in requirements("worker" if room == "worker" else "cli")}
    declared |= BROUGHT_ALONG
    providers = packages_distributions()
    foreign = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "dbrestore" / room).rglob("*.py")
        for name in imported(ast.parse(path.read_text()))
        if name not in sys.stdlib_module_names and name != "dbrestore"
        if not {provider.lower().replace("_", "-") for provider in providers.get(name, [])} & declared
    }

    assert not foreign


def imported(node: ast.AST) -> Iterator[str]:
    """Top-level names, those of imports inside functions among them; not what only the type checker sees."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        yield node.module.partition(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def test_every_module_of_it_can_be_imported_without_the_checkout(installed: Path) -> None:
    script = (
        "import importlib, pkgutil, sys, dbrestore\n"
        "names = [m.name for m in pkgutil.walk_packages(dbrestore.__path__, 'dbrestore.') if not m.name.endswith('__main__')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), *{m.__file__ for m in sys.modules.values() if (getattr(m, '__file__', None) or '').startswith(sys.argv[1])})"
    )

    done = python(installed, "-c", script, f"{ROOT}/dbrestore")

    assert done.stderr == ""
    assert int(done.stdout) > 100


def test_the_command_works_without_the_checkout(installed: Path) -> None:
    told, helped = command(installed, "--version"), command(installed, "restore", "--help")

    assert (told.stdout, told.returncode) == (f"{versions.NUMBER}\n", 0)
    assert "Usage: dbrestore restore" in helped.stdout


@pytest.mark.parametrize("arguments", [[], ["up"], ["up", "--port", "4566"], ["status", "--json"]], ids=" ".join)
def test_the_local_cloud_is_named_with_how_to_get_it(installed: Path, arguments: list[str]) -> None:
    done = command(installed, "local", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("`dbrestore local` comes with the source checkout")
    assert "`make install`" in sentence


def test_it_knows_the_fingerprints_of_the_tree_it_was_built_from(installed: Path) -> None:
    assert expected_by(installed) == own_version.expected()
    assert own_version.expected().code == versions.of_code()
    assert not (ROOT / STAMP).exists()


def test_a_wheel_of_another_tree_has_other_fingerprints(installed: Path, tmp_path: Path) -> None:
    tree = copied(tmp_path / "tree")
    for path in (tree / "lambdas" / "planning" / "plan_restore.py", tree / versions.DEFINITION):
        path.write_text(path.read_text().replace("PlanRestore", "PlanRestores"))
    shutil.unpack_archive(built(tree, tmp_path / "wheel"), tmp_path / "other", "zip")

    own, other = expected_by(installed), expected_by(tmp_path / "other")

    assert other.code not in (own.code, None)
    assert other.definition not in (own.definition, None)
    assert other.document == own.document


def test_what_an_earlier_build_left_is_not_in_a_wheel(tmp_path: Path) -> None:
    tree = copied(tmp_path / "tree")
    gone = tree / "build" / "lib" / "dbrestore" / "gone.py"
    gone.parent.mkdir(parents=True)
    gone.write_text("")

    with zipfile.ZipFile(built(tree, tmp_path / "wheel")) as archive:
        assert "dbrestore/gone.py" not in archive.namelist()


def test_a_wheel_of_the_source_distribution_is_of_the_same_version(wheel: Path, tmp_path: Path) -> None:
    tree = copied(tmp_path / "tree")
    script = "import sys; from setuptools import build_meta; print(build_meta.build_sdist(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, tmp_path], cwd=tree, check=True, stdout=subprocess.DEVNULL)
    [distribution] = tmp_path.glob("*.tar.gz")
    with tarfile.open(distribution) as archive:
        tar_archives.unpack(archive, tmp_path)

    again = built(tmp_path / distribution.name.removesuffix(".tar.gz"), tmp_path / "wheel")

    assert stamp(again) == stamp(wheel)


def stamp(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        values: dict[str, str] = json.loads(archive.read(STAMP))
    return values
