"""The file that says which extensions dumps may create: what it allows, what is refused, with what words."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dbrestore.contract.allowed.extensions import DEFAULT_EXTENSIONS
from dbrestore.contract.errors import ExtensionConfigurationInvalid
from docs import generate
from lambdas.configuration.extensions import DEPLOYED, ExtensionConfiguration, deployed, read

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "extensions.json"
SCHEMA: dict[str, Any] = json.loads(generate.schema(ExtensionConfiguration))


def written(folder: Path, **content: Any) -> Path:
    path = folder / "extensions.json"
    path.write_text(json.dumps(content))
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(ExtensionConfigurationInvalid) as told:
        read(path)
    return str(told.value).splitlines()


def test_the_shipped_file_is_the_default_list_and_names_the_schema_that_editors_read() -> None:
    shipped = json.loads(DEPLOYED.read_text())

    assert deployed().allowed == set(DEFAULT_EXTENSIONS)
    assert json.loads((DEPLOYED.parent / shipped["$schema"]).read_text()) == SCHEMA


def test_the_example_fits_the_schema() -> None:
    jsonschema.validate(json.loads(EXAMPLE.read_text()), SCHEMA)

    assert "postgres_fdw" in read(EXAMPLE).allowed
    assert "plperl" not in read(EXAMPLE).allowed


@pytest.mark.parametrize(
    "name",
    ["dblink", "postgres_fdw", "file_fdw", "log_fdw", "aws_s3", "aws_lambda", "pg_cron", "plpython3u", "plperlu"],
)
def test_what_reaches_beyond_the_database_is_not_in_the_default_list(name: str) -> None:
    assert name not in deployed().allowed


def test_names_are_added_and_taken_away(tmp_path: Path) -> None:
    allowed = read(written(tmp_path, **{"also": ["dblink", "hstore"], "not": ["pgcrypto"]})).allowed

    assert allowed == {*DEFAULT_EXTENSIONS, "dblink"} - {"pgcrypto"}


def test_a_list_of_ones_own_replaces_the_default(tmp_path: Path) -> None:
    assert read(written(tmp_path, only=["uuid-ossp"])).allowed == {"uuid-ossp"}
    assert read(written(tmp_path, only=[])).allowed == frozenset()


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        **{
            "also": ["hstore", "hstore", "post gis", 'x"; DROP', 7],
            "not": ["hstore", "pg_crypto"],
            "allow": ["dblink"],
        },
    )

    name = "must be the name of an extension, like pg_trgm or uuid-ossp"
    assert sorted(refused(path)) == sorted(
        [
            f'extensions.json#/also/2: {name}, not "post gis"',
            f'extensions.json#/also/3: {name}, not "x\\"; DROP"',
            f"extensions.json#/also/4: {name}, not 7",
            "extensions.json#/allow: isn't a known key: did you mean also?",
            "extensions.json#/also/1: 'hstore' is listed twice: name it once",
            "extensions.json#/not/0: 'hstore' is listed under also too: name it in one of them",
            "extensions.json#/not/1: 'pg_crypto' is not in the default list: correct the name, or leave it out",
        ]
    )


def test_a_whole_list_stands_alone(tmp_path: Path) -> None:
    path = written(tmp_path, **{"only": ["hstore"], "also": ["dblink"], "not": ["pgcrypto"]})

    sentence = "can't be combined with only, which is the whole list: put everything there, or leave only out"
    assert refused(path) == [f"extensions.json#/also: {sentence}", f"extensions.json#/not: {sentence}"]


@pytest.mark.parametrize("text", ["", "[", '{"also": [], "also": []}'])
def test_a_file_that_is_no_json_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "extensions.json"
    path.write_text(text)

    [line] = refused(path)

    assert line.startswith(f"{path}: can't be read as JSON")


@pytest.mark.parametrize("content", [{"also": ["post gis"]}, {"allow": []}, {"only": "hstore"}, {"not": [7]}], ids=str)
def test_the_schema_refuses_what_the_model_refuses(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)

    assert refused(written(tmp_path, **content))
