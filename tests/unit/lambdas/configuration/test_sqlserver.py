"""The file that says what restores into SQL Server do by default: what it means, and what is refused, with what words."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dbrestore.contract.errors import SqlServerConfigurationInvalid
from dbrestore.contract.request import Mode
from docs import generate
from lambdas.configuration.sqlserver import DEPLOYED, SqlServerConfiguration, deployed, read

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "sqlserver.json"
SCHEMA: dict[str, Any] = json.loads(generate.schema(SqlServerConfiguration))


def written(folder: Path, **content: Any) -> Path:
    path = folder / "sqlserver.json"
    path.write_text(json.dumps(content))
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(SqlServerConfigurationInvalid) as told:
        read(path)
    return str(told.value).splitlines()


def test_the_shipped_file_checks_nothing_and_names_the_schema_that_editors_read() -> None:
    shipped = json.loads(DEPLOYED.read_text())

    assert not deployed().checks("restore")
    assert json.loads((DEPLOYED.parent / shipped["$schema"]).read_text()) == SCHEMA


def test_the_example_fits_the_schema_and_checks_drills_alone() -> None:
    jsonschema.validate(json.loads(EXAMPLE.read_text()), SCHEMA)

    assert read(EXAMPLE).checks("drill")
    assert not read(EXAMPLE).checks("restore")


@pytest.mark.parametrize(("policy", "modes"), [("never", []), ("drills", ["drill"]), ("always", ["restore", "plan", "drill"])])
def test_each_policy_checks_the_restores_of_its_modes(tmp_path: Path, policy: str, modes: list[str]) -> None:
    every: list[Mode] = ["restore", "plan", "drill"]

    found = read(written(tmp_path, checkDatabase=policy))

    assert [mode for mode in every if found.checks(mode)] == modes


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    assert refused(written(tmp_path, checkDatabase=True, checkDatabases="always")) == [
        "sqlserver.json#/checkDatabase: must be never, drills or always, not true",
        "sqlserver.json#/checkDatabases: isn't a known key: did you mean checkDatabase?",
    ]


@pytest.mark.parametrize("text", ["", "[", '{"checkDatabase": "always", "checkDatabase": "never"}'])
def test_a_file_that_is_no_json_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sqlserver.json"
    path.write_text(text)

    [line] = refused(path)

    assert line.startswith(f"{path}: can't be read as JSON")


@pytest.mark.parametrize("content", [{"checkDatabase": "sometimes"}, {"checkDatabase": None}, {"check": []}], ids=str)
def test_the_schema_refuses_what_the_model_refuses(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)

    assert refused(written(tmp_path, **content))
