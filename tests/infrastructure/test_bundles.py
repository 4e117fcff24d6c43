"""The three archives: complete, small, the same twice, and the worker's really starts where there is nothing but Python."""

import ast
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dbrestore.contract.errors import (
    DrillConfigurationInvalid,
    ExtensionConfigurationInvalid,
    SqlServerConfigurationInvalid,
    WorkerConfigurationInvalid,
)
from infrastructure import bundles, dependencies
from infrastructure.functions import FUNCTIONS

from .conftest import ROOT


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The worker's program, unpacked as on an instance: modes come from the archive."""
    folder = tmp_path_factory.mktemp("worker program")
    with zipfile.ZipFile(bundles.worker_program()) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            path.chmod(entry.external_attr >> 16)
    return folder


def _run(program: Path, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": "/usr/bin:/bin",
        "DBRESTORE_PYTHON": sys.executable,
        "PYTHONPATH": "/poisoned",
        "LANG": "C.UTF-8",
    }
    return subprocess.run([program / "run", *arguments], env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)


def test_the_program_starts_from_any_folder(program: Path, tmp_path: Path) -> None:
    # A module of this name in the current folder would be found first if the current folder were looked at.
    (tmp_path / "botocore.py").write_text("raise SystemExit('the wrong botocore')")

    done = _run(program, cwd=tmp_path)

    assert "usage: python -m dbrestore.worker s3://" in done.stderr
    assert done.returncode == 2


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """In the place of Python: tells the proxy's variables that it was started with."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nenv | grep -E '^(no|https)_proxy=' | sort\n")
    path.chmod(0o755)
    return path


def test_the_program_takes_the_way_to_aws_that_the_boot_script_left(program: Path, stand_in: Path, tmp_path: Path) -> None:
    left = tmp_path / "proxy"
    left.write_text("https_proxy=http://proxy.example.com:3128\nno_proxy=169.254.169.254,$(touch harm)\n")

    done = subprocess.run(
        [program / "run", "s3://b/restores/r/jobs/j/job.json"],
        env={"PATH": "/usr/bin:/bin", "DBRESTORE_PYTHON": str(stand_in), "DBRESTORE_PROXY": str(left)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [
        "https_proxy=http://proxy.example.com:3128",
        "no_proxy=169.254.169.254,$(touch harm)",
    ]
    assert not (tmp_path / "harm").exists()


def test_without_a_proxy_the_program_is_started_without_one(program: Path, stand_in: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "DBRESTORE_PYTHON": str(stand_in),
        "DBRESTORE_PROXY": str(tmp_path / "none"),
    }

    done = subprocess.run([program / "run"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("", "")


def _imported(program: Path) -> list[str]:
    """The lines that import all that any job of the program does."""
    files = (path.relative_to(program) for path in (program / "dbrestore" / "worker").rglob("*.py"))
    modules = sorted(".".join(file.with_suffix("").parts) for file in files if file.stem not in ("__main__", "__init__"))
    return [
        "import sys, psycopg, zstandard, isal.isal_zlib, lz4.frame, xxhash",
        *(f"import {module}" for module in modules),
        "from dbrestore.worker.base import clients",
        "made = [make('eu-central-1') for make in (clients.s3, clients.secretsmanager, clients.rds)]",
    ]


def test_the_program_carries_no_package_that_it_does_not_import(program: Path) -> None:
    script = "\n".join([*_imported(program), "print(*{name.split('.')[0] for name in sys.modules})"])

    done = subprocess.run(
        [sys.executable, "-P", "-s", "-S", "-c", script],
        env={"PYTHONPATH": str(program), "PATH": "/nowhere"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )

    carried = {path.stem for path in program.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert {"botocore", "pydantic", "psycopg"} <= carried <= set(done.stdout.split())


def test_the_program_finds_everything_it_imports_in_its_own_folder(program: Path) -> None:
    script = "\n".join(
        [
            *_imported(program),
            "assert psycopg.pq.__impl__ == 'binary', psycopg.pq.__impl__",
            "assert zstandard.backend == 'cext'",
            "files = {m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)}",
            f"outside = [f for f in files if not f.startswith({str(program)!r}) and 'site-packages' in f]",
            "assert not outside, outside",
        ]
    )

    done = subprocess.run(
        [sys.executable, "-P", "-s", "-S", "-c", script],
        env={"PYTHONPATH": str(program), "PATH": "/nowhere"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0


def test_what_the_worker_compiles_when_it_boots_is_all_that_a_job_imports(program: Path) -> None:
    script = (ROOT / "lambdas" / "worker" / "worker_boot.sh").read_text()
    [imports] = re.findall(r'-c "(import dbrestore\.worker[^"]*)"', script)
    environment = {"PYTHONPATH": str(program), "PATH": "/nowhere"}
    of_a_job = """
import importlib.util, sys
from dbrestore.worker.base import clients
clients.s3("eu-central-1"), clients.secretsmanager("eu-central-1")
ours = [m.__file__ for m in sys.modules.values() if (getattr(m, "__file__", None) or "").startswith(sys.argv[1])]
sources = [file for file in ours if file.endswith(".py")]
print(len(sources), *(f for f in sources if not __import__("os").path.exists(importlib.util.cache_from_source(f))))
"""

    for script in (imports, f"{imports}\n{of_a_job}"):
        options = ["-B"] if script != imports else []
        command = [sys.executable, *options, "-P", "-s", "-S", "-c", script, str(program)]
        done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)

    count, *uncompiled = done.stdout.split()
    assert (int(count) > 300, uncompiled) == (True, [])


def test_the_program_brings_no_postgresql_of_its_own(program: Path) -> None:
    assert not list(program.rglob("*pg_restore*"))


def test_the_program_is_small_enough_to_arrive_quickly() -> None:
    assert bundles.worker_program().stat().st_size < 30_000_000


def test_the_same_content_is_the_same_archive(tmp_path: Path) -> None:
    first = bundles.function_code().read_bytes()
    for path in (ROOT / "dbrestore").rglob("*.py"):
        path.touch()

    assert bundles.function_code().read_bytes() == first
    assert bundles.worker_program().read_bytes() == bundles.worker_program().read_bytes()


def test_the_functions_carry_their_handlers_and_nothing_of_other_rooms() -> None:
    with zipfile.ZipFile(bundles.function_code()) as archive:
        files = set(archive.namelist())

    assert {row.handler.rsplit(".", 1)[0].replace(".", "/") + ".py" for row in FUNCTIONS} <= files
    assert "lambdas/worker/worker_boot.sh" in files
    assert {file.split("/")[0] for file in files} == {"configuration", "dbrestore", "lambdas"}
    rooms = {file.split("/")[1] for file in files if file.startswith("dbrestore/")}
    assert rooms == {"__init__.py", "contract", "evidence", "ledger", "points", "prices"}
    assert {"dbrestore/evidence/templates/report.html", "dbrestore/evidence/templates/style.css"} <= files


def test_the_functions_find_the_worker_configuration_that_was_deployed_with_them(tmp_path: Path) -> None:
    other = tmp_path / "ours.json"
    other.write_text('{"defaults": {"volumeGib": 77}}')
    with zipfile.ZipFile(bundles.function_code(other)) as archive:
        archive.extractall(tmp_path)
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))

    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-s",
            "-S",
            "-c",
            "from lambdas.configuration.workers import deployed; print(deployed().defaults.volume_gib)",
        ],
        env={"PYTHONPATH": f"{tmp_path}:{site_packages}"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "77\n"


def test_the_functions_find_the_extensions_that_were_allowed_when_they_were_deployed(tmp_path: Path) -> None:
    other = tmp_path / "ours.json"
    other.write_text('{"only": ["hstore"]}')
    with zipfile.ZipFile(bundles.function_code(extensions=other)) as archive:
        archive.extractall(tmp_path)
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))

    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-s",
            "-S",
            "-c",
            "from lambdas.configuration.extensions import deployed; print(*deployed().allowed)",
        ],
        env={"PYTHONPATH": f"{tmp_path}:{site_packages}"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "hstore\n"
    assert bundles.function_code(extensions=other) != bundles.function_code()


def test_an_extension_configuration_that_is_wrong_is_not_bundled(tmp_path: Path) -> None:
    path = tmp_path / "extensions.json"
    path.write_text('{"not": ["pg_crypto"]}')

    with pytest.raises(ExtensionConfigurationInvalid, match=r"extensions\.json#/not/0: 'pg_crypto' is not in the default"):
        bundles.function_code(extensions=path)


def test_the_functions_find_the_sql_server_configuration_that_was_deployed(tmp_path: Path) -> None:
    other = tmp_path / "ours.json"
    other.write_text('{"checkDatabase": "always"}')

    with zipfile.ZipFile(bundles.function_code(sqlserver=other)) as archive:
        assert archive.read("configuration/sqlserver.json") == other.read_bytes()

    other.write_text('{"checkDatabase": "often"}')
    with pytest.raises(SqlServerConfigurationInvalid, match="must be never, drills or always"):
        bundles.function_code(sqlserver=other)


@pytest.mark.parametrize(
    ("key", "text", "problems"),
    [
        (
            "workerConfiguration",
            '{"defaults": {"volume": 77}, "places": [{}]}',
            [
                "ours.json#/defaults/volume: isn't a known key: did you mean volumeGib?",
                "ours.json#/places/0: names no account, no region and no vpcId: put into defaults what holds everywhere",
            ],
        ),
        (
            "extensionConfiguration",
            '{"allowed": []}',
            ["ours.json#/allowed: isn't a known key here: use $schema, only, also, not"],
        ),
        (
            "sqlserverConfiguration",
            '{"check": "never"}',
            ["ours.json#/check: isn't a known key here: use $schema, checkDatabase"],
        ),
        (
            "credentialConfiguration",
            '{"rules": [{"dbInstance": "a"}, {"iamUser": "b"}]}',
            [
                "ours.json#/rules/0: names no credentials: give one of secretArn, secretName, iamUser",
                "ours.json#/rules/1: says of no instance that it is for it: give dbInstance (* for all) or tag",
            ],
        ),
        (
            "drillConfiguration",
            '{"drills": [{"name": "a", "schedule": {"expression": "at(2020-01-31T02:00:00)", "timeZone": "UTC"}, '
            '"source": {"dbInstance": "b"}, "target": {"dbInstance": "c"}, "databases": []}]}',
            [
                "ours.json#/drills/0/schedule/expression (a): is over, so it never starts anything again: write a time to come, or take "
                "the drill out",
                'ours.json#/drills/0/databases (a): is empty, so the drill would prove nothing: name databases, or write "all"',
            ],
        ),
    ],
)
def test_a_configuration_that_is_wrong_stops_the_synthesis_in_the_same_words(
    tmp_path: Path, key: str, text: str, problems: list[str]
) -> None:
    path = tmp_path / "ours.json"
    path.write_text(text)
    context = {"CDK_CONTEXT_JSON": json.dumps({key: str(path)}), "CDK_OUTDIR": str(tmp_path / "out")}

    done = subprocess.run([sys.executable, ROOT / "app.py"], env=context, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines() == ["The configuration can't be used:", *problems]
    assert not list((tmp_path / "out").glob("*.json"))


def test_the_functions_find_the_drills_that_were_deployed_also_when_one_is_over(tmp_path: Path) -> None:
    other = tmp_path / "ours.json"
    once = {"expression": "at(2020-01-31T02:00:00)", "timeZone": "UTC"}
    named = {"name": "once", "source": {"dbInstance": "a"}, "target": {"dbInstance": "b"}}
    other.write_text(json.dumps({"drills": [{**named, "schedule": once}]}))

    with zipfile.ZipFile(bundles.function_code(drills=other)) as archive:
        assert archive.read("configuration/drills.json") == other.read_bytes()

    other.write_text('{"drills": [{}]}')
    with pytest.raises(DrillConfigurationInvalid, match="name: is missing"):
        bundles.function_code(drills=other)


def test_a_worker_configuration_that_is_wrong_is_not_bundled(tmp_path: Path) -> None:
    path = tmp_path / "workers.json"
    path.write_text('{"defaults": {"volume": 77}}')

    with pytest.raises(WorkerConfigurationInvalid, match=r"workers\.json#/defaults/volume: isn't a known key"):
        bundles.function_code(path)


# Refuses what the layer lacks; its own packages are for another Python, so those of this interpreter stand in for them.
ONLY_OF_THE_LAYER = """
import importlib.abc, os, sys
allowed = {name.partition(".")[0] for name in os.environ["IN_LAYER"].split()}
class Refusing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top not in allowed and top not in sys.stdlib_module_names and os.path.exists(os.path.join(os.environ["PACKAGES"], top)):
            raise ImportError(f"the layer has no {top}")
sys.meta_path.insert(0, Refusing())
"""


def test_the_functions_import_with_what_their_archive_and_their_layer_hold(tmp_path: Path) -> None:
    with zipfile.ZipFile(bundles.function_code()) as archive:
        archive.extractall(tmp_path)
    with zipfile.ZipFile(bundles.dependency_layer()) as layer:
        in_layer = {name.split("/")[1].removesuffix(".py") for name in layer.namelist()}
    site_packages = next(path for path in sys.path if path.endswith("site-packages"))
    modules = sorted({row.handler.rsplit(".", 1)[0] for row in FUNCTIONS})

    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-s",
            "-S",
            "-c",
            ONLY_OF_THE_LAYER + "\n".join(f"import {module}" for module in modules),
        ],
        env={"PYTHONPATH": f"{tmp_path}:{site_packages}", "IN_LAYER": " ".join(in_layer), "PACKAGES": site_packages},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""


def test_the_layer_is_for_the_functions_python() -> None:
    with zipfile.ZipFile(bundles.dependency_layer()) as archive:
        files = archive.namelist()

    assert all(file.startswith("python/") for file in files)
    assert any(re.search(r"pydantic_core/.*cpython-313-x86_64", file) for file in files)
    assert any(file.startswith("python/boto3/") for file in files)


@pytest.mark.parametrize("package", ["lambdas", "dbrestore/worker"])
def test_the_bundles_carry_the_model_of_every_service_that_is_called(package: str) -> None:
    services = {
        node.args[0].value
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("client", "_client", "create_client")
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }

    assert services
    assert services <= set(dependencies.SERVICES)


def lists(root: Path, line: str) -> None:
    (root / "requirements" / "locked").mkdir(parents=True)
    (root / "requirements" / "locked" / "worker.txt").write_text(f"{line}\n")


@pytest.mark.parametrize("locked", ["", f" --hash=sha256:{64 * '0'}"])
def test_a_wheel_whose_hash_is_not_locked_goes_into_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str) -> None:
    lists(tmp_path, "needed==1.0" + locked)
    with zipfile.ZipFile(tmp_path / "needed-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("needed-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))

    with pytest.raises(dependencies.PackagesNotFetched, match=r"HASHES FROM THE REQUIREMENTS|Hashes are required"):
        dependencies.tree(dependencies.Dependencies("worker", "3.11", tmp_path))


def test_a_list_that_pip_cannot_fulfil_is_reported_with_pips_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists(tmp_path, f"no-such-package-of-ours==1.0 --hash=sha256:{64 * '0'}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(dependencies.PackagesNotFetched, match=r"no-such-package-of-ours.*HTTPS_PROXY"):
        dependencies.tree(dependencies.Dependencies("worker", "3.11", tmp_path))

    assert not list((tmp_path / "build" / "dependencies").iterdir())


def test_modes_survive_in_the_archive() -> None:
    with zipfile.ZipFile(io.BytesIO(bundles.worker_program().read_bytes())) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}

    assert modes["run"] == 0o755
    assert modes["dbrestore/contract/job.py"] == 0o644
