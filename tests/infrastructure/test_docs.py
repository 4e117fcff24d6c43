"""What is generated is up to date, and the published schemas say the same as the models."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from dbrestore.contract.request import RestoreRequest
from docs import generate
from infrastructure.functions import FUNCTIONS

from .conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.json"))
REQUEST: dict[str, Any] = json.loads(generate.schema(RestoreRequest))


@pytest.mark.parametrize("path", generate.generated(), ids=lambda path: path.name)
def test_the_committed_copy_is_what_would_be_generated(path: Path) -> None:
    assert path.read_text() == generate.generated()[path], "run `make docs`"


def test_no_schema_is_left_of_a_document_that_is_gone() -> None:
    assert set((ROOT / "docs" / "contract").iterdir()) == {p for p in generate.generated() if p.parent.name == "contract"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_fits_the_published_schema_and_the_model(path: Path) -> None:
    request = json.loads(path.read_text())

    jsonschema.validate(request, REQUEST)

    RestoreRequest.model_validate(request)


@pytest.mark.parametrize(
    "change",
    [
        {"database": ["orders"]},
        {"databases": []},
        {"databases": [""]},
        {"databases": ["a"] * 41},
        {"databases": "orders"},
        {"target": {}},
        {"target": {"dbInstance": "-bad-"}},
        {"mode": "destroy"},
        {"onConflict": "overwrite"},
        {"worker": {"streams": 17}},
    ],
    ids=json.dumps,
)
def test_schema_and_model_refuse_the_same_requests(change: dict[str, Any]) -> None:
    request = {"target": {"dbInstance": "shop"}, "databases": ["orders"]} | change

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(request, REQUEST)
    with pytest.raises(ValidationError):
        RestoreRequest.model_validate(request)


def test_every_function_has_its_place_on_the_page() -> None:
    page = (ROOT / "docs" / "functions.md").read_text()

    for row in FUNCTIONS:
        assert f"## {row.state}\n" in page
        assert f"`{row.handler}`" in page
