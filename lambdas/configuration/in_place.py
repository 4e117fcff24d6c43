"""The places from which restores may read backups that nobody copied, or copy them: each is a grant to the roles that do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dbrestore.contract.allowed.reading_places import InPlaceConfiguration
from dbrestore.contract.errors import InPlaceConfigurationInvalid
from lambdas.configuration import files as configuration_file
from lambdas.configuration.files import Place

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "in_place.json"

EXPECTED: Final = {
    "bucket": "must be the name of a bucket, without s3:// and without a key",
    "prefix": "must be the beginning of keys, like nightly/; empty for the whole bucket",
    "copyOnly": "must be true or false",
    "kmsKey": "must be the ARN of a KMS key (arn:aws:kms:<Region>:<account>:key/<id>): policies can't name a key by its alias",
}


def read(path: Path) -> InPlaceConfiguration:
    """Raises InPlaceConfigurationInvalid, one line per problem: `in_place.json#<JSON pointer> (<bucket>): <what to write instead>`."""
    return configuration_file.read(
        path, InPlaceConfiguration, InPlaceConfigurationInvalid, expected=EXPECTED, contradictions=_contradictions, label=_label
    )


def _places(values: Any) -> list[Any]:
    places = values.get("places") if isinstance(values, dict) else None
    return places if isinstance(places, list) else []


def _label(place: Place, values: Any) -> str:
    """` (team-backups)` for everything in a place that has a bucket."""
    n = place[1] if len(place) > 1 else None
    places = _places(values)
    one = places[n] if isinstance(n, int) and n < len(places) else None
    bucket = one.get("bucket") if isinstance(one, dict) else None
    return f" ({bucket})" if isinstance(bucket, str) and bucket else ""


def _contradictions(values: Any) -> Iterator[tuple[Place, str]]:
    """Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    for n, one in enumerate(_places(values)):
        prefix = one.get("prefix") if isinstance(one, dict) else None
        if isinstance(prefix, str) and (prefix.startswith("/") or "*" in prefix):
            yield ("places", n, "prefix"), "is a beginning of keys as they are, without * and without a / in front"
