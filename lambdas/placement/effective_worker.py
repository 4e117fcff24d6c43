"""What the worker of one restore will be, and where each value comes from:

    the request > its VPC > its account and Region > its account > its Region > defaults > what is built in

The invariant: a value comes from the first of these that sets it. Tags add up, and of the same key the first one counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dbrestore.contract import form_problems, limits
from dbrestore.contract.allowed.worker_settings import WorkerSettings
from dbrestore.contract.document import Document
from dbrestore.contract.questions.worker_configuration import PlaceSettings, WorkerConfigurations
from dbrestore.contract.request import WorkerRequest

FILE = "workers.json"
REQUEST = "the request"
BUILT_IN = "built in"
TAGS = "tags/"
_BUILT_IN = WorkerSettings(volume_gib=limits.WORKER_VOLUME_GIB, max_run_hours=168)


class Origin(Document):
    """Where a value comes from: `name` for people, `pointer` its place in the request or, after `workers.json#`, in the file."""

    name: str
    pointer: str


class EffectiveWorker(Document):
    """Without subnets the best of the VPC is chosen, without instance types they follow from the work, without an image it is the newest
    Amazon Linux 2023. `origins` by the key of each value that is set, each tag by its own: `tags/<key>`."""

    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()
    image_id: str | None = None
    volume_gib: int
    kms_key_id: str | None = None
    tags: dict[str, str]
    proxy: str | None = None
    max_run_hours: int
    origins: dict[str, Origin]
    configured_by: str

    def pointer(self, key: str) -> str:
        """Where somebody changes what stands under this key."""
        origin = self.origins.get(key)
        return origin.pointer if origin and origin.pointer else f"/worker/{key}"


# Key of a value (of a tag: `tags/<key>`), the value, and where it stands.
_Layer = dict[str, tuple[Any, Origin]]


def effective(configurations: WorkerConfigurations, *, account: str, region: str, vpc_id: str, request: WorkerRequest) -> EffectiveWorker:
    """The values for a worker in this VPC."""
    layers = (
        _layer(_BUILT_IN, BUILT_IN, ""),
        _layer(configurations.defaults, f"the defaults of {FILE}", f"{FILE}#/defaults"),
        *_matching(configurations.places, {"account": account, "region": region, "vpc_id": vpc_id}),
        _asked(request),
    )
    merged = {key: valued for layer in layers for key, valued in layer.items()}
    values = {key: value for key, (value, _) in merged.items() if not key.startswith(TAGS)}
    tags = {key.removeprefix(TAGS): value for key, (value, _) in merged.items() if key.startswith(TAGS)}
    origins = {key: origin for key, (_, origin) in merged.items()}
    return EffectiveWorker.model_validate({**values, "tags": tags, "origins": origins, "configuredBy": _told(layers, origins)})


def _layer(settings: WorkerSettings, name: str, pointer: str) -> _Layer:
    values = settings.model_dump(mode="json", by_alias=True, exclude_none=True, include=set(WorkerSettings.model_fields))
    tags = values.pop("tags", {})

    def valued(value: Any, *place: str) -> tuple[Any, Origin]:
        return value, Origin(name=name, pointer=pointer and pointer + form_problems.pointer(place))

    return {key: valued(value, key) for key, value in values.items()} | {
        f"{TAGS}{key}": valued(value, "tags", key) for key, value in tags.items()
    }


def _matching(places: Sequence[PlaceSettings], here: Mapping[str, str]) -> Iterator[_Layer]:
    """The places that this one lies in, the least specific first."""

    def wanted(place: PlaceSettings) -> dict[str, str]:
        return place.model_dump(include=set(here), exclude_none=True)

    def rank(numbered: tuple[int, PlaceSettings]) -> tuple[bool, bool, bool]:
        return tuple(key in wanted(numbered[1]) for key in ("vpc_id", "account", "region"))  # type: ignore[return-value]

    found = [(n, place) for n, place in enumerate(places) if wanted(place).items() <= here.items()]
    for n, place in sorted(found, key=rank):
        yield _layer(place, f"{FILE}, {place}", f"{FILE}#/places/{n}")


def _asked(request: WorkerRequest) -> _Layer:
    layer = _layer(request, REQUEST, "/worker")
    for key, short, value in (
        ("subnetIds", "subnetId", request.subnet_id),
        ("instanceTypes", "instanceType", request.instance_type),
    ):
        if value:
            layer[key] = [value], Origin(name=REQUEST, pointer=f"/worker/{short}")
    return layer


def _told(layers: Iterable[_Layer], origins: Mapping[str, Origin]) -> str:
    """What a worker is configured by besides what is built in, the most specific first."""
    used = {origin.name for origin in origins.values()} - {BUILT_IN}
    names = dict.fromkeys(origin.name for layer in layers for _, origin in layer.values() if origin.name in used)
    return "; ".join(reversed(names)) or "the defaults"
