"""The worker configuration: what workers are in each account and Region, in one file that is deployed with the functions.

Invariant: a file that could mean two things for one place is refused, with everything else that is wrong in it, before anything is
deployed. What a restore takes from it stands in lambdas.placement.effective_worker.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dbrestore.contract.allowed.worker_settings import EXPECTED
from dbrestore.contract.errors import WorkerConfigurationInvalid
from dbrestore.contract.questions.worker_configuration import WorkerConfigurations, place_name
from lambdas.configuration import files as configuration_file

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "workers.json"
# What lies in one Region and is wrong in every other.
_REGIONAL = ("subnetIds", "securityGroupIds", "imageId", "kmsKeyId")
_PLACE = ("vpcId", "region", "account")


def deployed(path: str | None = None) -> WorkerConfigurations:
    """The file that came with the code, or the one at `path`; read once per process. Raises WorkerConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> WorkerConfigurations:
    return read(path)


def read(path: Path) -> WorkerConfigurations:
    """Raises WorkerConfigurationInvalid, one line per problem: `workers.json#<JSON pointer> (<which place>): <what to write instead>`."""
    return configuration_file.read(
        path,
        WorkerConfigurations,
        WorkerConfigurationInvalid,
        expected=EXPECTED,
        contradictions=_contradictions,
        label=_label,
    )


def _contradictions(values: Any) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Place and sentence. Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    taken: dict[str, int] = {}
    defaults = values.get("defaults") if isinstance(values, dict) else None
    for key in _without_region(defaults):
        yield ("defaults", key), "belongs to one Region: move it to a place that names its region"
    for n, place in _places(values):
        where = json.dumps([place.get(key) for key in _PLACE])
        if where in taken:
            yield ("places", n), f"is the same place as places/{taken[where]}: put both into one"
        taken.setdefault(where, n)
        if not any(place.get(key) for key in _PLACE):
            yield ("places", n), "names no account, no region and no vpcId: put into defaults what holds everywhere"
        elif place.get("vpcId") and not (place.get("account") and place.get("region")):
            yield ("places", n, "vpcId"), "is given alone: name its account and its region too"
        for key in () if place.get("region") else _without_region(place):
            yield ("places", n, key), "belongs to one Region: name the region of this place too"


def _without_region(settings: Any) -> list[str]:
    return [key for key in _REGIONAL if isinstance(settings, dict) and settings.get(key)]


def _places(values: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    places = values.get("places") if isinstance(values, dict) else None
    for n, place in enumerate(places if isinstance(places, list) else []):
        if isinstance(place, dict):
            yield n, place


def _label(place: tuple[str | int, ...], values: Any) -> str:
    """` (eu-central-1 of 123456789012)` for everything below a place that says where it is."""
    found = dict(_places(values)).get(place[1], {}) if len(place) > 1 and isinstance(place[1], int) else {}
    name = place_name(found)
    return f" ({name})" if name else ""
