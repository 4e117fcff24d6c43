"""The collection of databases and hostile dumps that lies beside the repository, where it does."""

import re
from pathlib import Path

import pytest

_NAMED = re.compile(r"^-- Name: (.*); Type: (.*); Schema: (.*); Owner: .*$")


def folder(name: str) -> Path:
    """`../shared/data/<name>`, seen from the checkout or from what it lies in."""
    places = [parent / "shared" / "data" / name for parent in Path(__file__).parents]
    return next((place for place in places if place.is_dir()), places[0])


def needs(place: Path) -> pytest.MarkDecorator:
    """The mark of tests that are skipped where the collection isn't."""
    return pytest.mark.skipif(not place.is_dir(), reason=f"no {place.name} beside the repository")


def labels(schema: list[str]) -> set[str]:
    """The labels of all entries, as results name them, from the lines of pg_dump --schema-only."""
    found = (_NAMED.match(line) for line in schema)
    return {
        f"{kind} {name}" if schema_name == "-" else f"{kind} {schema_name}.{name}"
        for name, kind, schema_name in (each.groups() for each in found if each)
    }
