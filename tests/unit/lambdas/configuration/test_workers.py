"""The file with the worker configurations: what is refused, with what words, and which value counts in which place."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dbrestore.contract.errors import WorkerConfigurationInvalid
from dbrestore.contract.questions.worker_configuration import WorkerConfigurations
from dbrestore.contract.request import WorkerRequest
from docs import generate
from lambdas.configuration.workers import DEPLOYED, deployed, read
from lambdas.placement.effective_worker import EffectiveWorker, effective

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "workers.json"
ACCOUNT, REGION, VPC = "123456789012", "eu-central-1", "vpc-0123456789abcdef0"
SUBNET, GROUP = "subnet-0123456789abcdef0", "sg-0123456789abcdef0"
SCHEMA: dict[str, Any] = json.loads(generate.schema(WorkerConfigurations))


def written(folder: Path, **content: Any) -> Path:
    path = folder / "workers.json"
    path.write_text(json.dumps(content))
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(WorkerConfigurationInvalid) as told:
        read(path)
    return str(told.value).splitlines()


def worker(path: Path, vpc_id: str = VPC, **request: Any) -> EffectiveWorker:
    asked = WorkerRequest.model_validate(request)
    return effective(read(path), account=ACCOUNT, region=REGION, vpc_id=vpc_id, request=asked)


def test_the_shipped_file_sets_nothing_and_names_the_schema_that_editors_read() -> None:
    shipped = json.loads(DEPLOYED.read_text())

    assert deployed().to_state() == WorkerConfigurations().to_state()
    assert json.loads((DEPLOYED.parent / shipped["$schema"]).read_text()) == SCHEMA


def test_the_example_shows_every_key_and_fits_the_schema() -> None:
    example = json.loads(EXAMPLE.read_text())
    keys = {key for settings in (example["defaults"], *example["places"]) for key in settings}

    jsonschema.validate(example, SCHEMA)

    assert read(EXAMPLE).places
    assert keys == set(SCHEMA["$defs"]["PlaceSettings"]["properties"])
    assert (EXAMPLE.parent / example["$schema"]).resolve() == (DEPLOYED.parent / "../docs/contract").resolve() / (
        "worker-configurations.schema.json"
    )


def test_the_file_is_read_once_per_process(tmp_path: Path) -> None:
    path = written(tmp_path, defaults={"volumeGib": 30})
    first = deployed(str(path))

    written(tmp_path, defaults={"volumeGib": 40})

    assert deployed(str(path)) is first


@pytest.mark.parametrize(
    ("settings", "pointer", "words"),
    [
        ({"subnetIds": ["subnet-x"]}, "/subnetIds/0", 'like subnet-0123456789abcdef0, not "subnet-x"'),
        ({"subnetIds": []}, "/subnetIds", "is empty: name at least one, or leave it out"),
        ({"securityGroupIds": [GROUP] * 4}, "/securityGroupIds", "has too many: 3 at most"),
        ({"instanceTypes": ["large"]}, "/instanceTypes/0", "like c6i.large"),
        ({"instanceTypes": "c6i.large"}, "/instanceTypes", "must be a list"),
        ({"imageId": "al2023"}, "/imageId", "like ami-0123456789abcdef0"),
        ({"volumeGib": 7}, "/volumeGib", "greater than or equal to 8"),
        ({"volumeGib": "20"}, "/volumeGib", "a valid integer"),
        ({"maxRunHours": 241}, "/maxRunHours", "less than or equal to 240"),
        ({"tags": {"aws:x": "y"}}, "/tags/aws:x", "is a key of AWS itself"),
        ({"tags": {"DBRestore:managed": "no"}}, "/tags/DBRestore:managed", "is a key of dbrestore itself"),
        ({"tags": {"a/b": 7}}, "/tags/a~1b", "a valid string"),
        ({"proxy": "proxy.example.com"}, "/proxy", "without user, password and path"),
        ({"proxy": "http://proxy:3128/$(reboot)"}, "/proxy", "without user, password and path"),
        ({"proxy": 'http://proxy";reboot;"'}, "/proxy", "without user, password and path"),
        ({"proxy": "http://proxy:3128\nreboot"}, "/proxy", "without user, password and path"),
        ({"proxy": "http://proxy:70000"}, "/proxy", "has a port above 65535"),
        ({"instanceTyps": ["c6i.large"]}, "/instanceTyps", "did you mean instanceTypes?"),
        ({"streams": 2}, "/streams", "isn't a known key here"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_its_place_and_what_it_must_be(
    tmp_path: Path, settings: dict[str, Any], pointer: str, words: str
) -> None:
    place = {"account": ACCOUNT, "region": REGION, **settings}

    [told] = refused(written(tmp_path, places=[{"region": REGION}, place]))

    assert told.startswith(f"workers.json#/places/1{pointer} ({REGION}, account {ACCOUNT}): ")
    assert words in told


@pytest.mark.parametrize("key", ["subnetIds", "volumeGib", "tags", "proxy", "instanceTyps"])
def test_the_schema_refuses_what_the_model_refuses(key: str) -> None:
    wrong = {
        "subnetIds": ["subnet-x"],
        "volumeGib": "20",
        "tags": {"aws:x": "y"},
        "proxy": "http://u:p@x",
        "instanceTyps": [],
    }

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"places": [{"region": REGION, key: wrong[key]}]}, SCHEMA)


def test_a_password_in_the_proxys_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    [told] = refused(written(tmp_path, defaults={"proxy": "http://me:secret@proxy:3128"}))

    assert told.startswith("workers.json#/defaults/proxy: ")
    assert "secret" not in told


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    told = refused(
        written(
            tmp_path,
            default={},
            defaults={"subnetIds": [SUBNET]},
            places=[
                {"region": REGION, "volumeGib": 1},
                {"region": REGION},
                {},
                {"vpcId": VPC},
                {"account": ACCOUNT, "imageId": "ami-01234567"},
            ],
        )
    )

    assert sorted(line.removeprefix("workers.json#").split(":")[0].split(" ")[0] for line in told) == [
        "/default",
        "/defaults/subnetIds",
        "/places/0/volumeGib",
        "/places/1",
        "/places/2",
        "/places/3/vpcId",
        "/places/4/imageId",
    ]
    assert any("is the same place as places/0" in line for line in told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1 column 2"),
        ('{"defaults": {}, "defaults": {}}', "'defaults' appears twice"),
        ("[]", "must be an object"),
    ],
)
def test_what_is_no_object_in_json_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "workers.json"
    path.write_text(text)

    [told] = refused(path)

    assert "workers.json" in told
    assert words in told


def test_a_file_that_is_not_there_is_told_with_its_path(tmp_path: Path) -> None:
    [told] = refused(tmp_path / "none.json")

    assert str(tmp_path / "none.json") in told


def test_without_any_setting_everything_is_built_in(tmp_path: Path) -> None:
    found = worker(written(tmp_path))

    assert (found.volume_gib, found.max_run_hours, found.tags) == (20, 168, {})
    assert (found.subnet_ids, found.security_group_ids, found.instance_types) == ((), (), ())
    assert (found.image_id, found.proxy) == (None, None)
    assert found.configured_by == "the defaults"
    assert found.origins.keys() == {"volumeGib", "maxRunHours"}
    assert found.pointer("volumeGib") == "/worker/volumeGib"


PLACES = [
    {"account": ACCOUNT, "region": REGION, "vpcId": VPC, "volumeGib": 60},
    {"region": REGION, "volumeGib": 30},
    {"account": ACCOUNT, "region": REGION, "volumeGib": 50},
    {"account": ACCOUNT, "volumeGib": 40},
    {"account": "999999999999", "region": REGION, "volumeGib": 90},
    {"account": ACCOUNT, "region": "eu-west-1", "volumeGib": 90},
    {"account": ACCOUNT, "region": REGION, "vpcId": "vpc-0123456789abcdef9", "volumeGib": 90},
]


@pytest.mark.parametrize(
    ("without", "gib", "pointer"),
    [
        (0, 60, "/places/0"),
        (1, 50, "/places/2"),
        (2, 40, "/places/3"),
        (3, 30, "/places/1"),
        (4, 20, "/defaults"),
    ],
)
def test_the_most_specific_place_that_sets_a_value_counts_wherever_it_stands(tmp_path: Path, without: int, gib: int, pointer: str) -> None:
    by_rank = (PLACES[0], PLACES[2], PLACES[3], PLACES[1])
    silent = [{key: value for key, value in place.items() if key != "volumeGib"} for place in by_rank[:without]]
    places = [next((s for s in silent if s.items() <= place.items() and len(s) == len(place) - 1), place) for place in PLACES]

    found = worker(written(tmp_path, defaults={"volumeGib": 20}, places=places))

    assert found.volume_gib == gib
    assert found.origins["volumeGib"].pointer == f"workers.json#{pointer}/volumeGib"


def test_each_value_comes_from_its_own_place_and_says_from_which(tmp_path: Path) -> None:
    places = [
        {"region": REGION, "instanceTypes": ["m6i.large"], "proxy": "http://proxy:3128"},
        {"account": ACCOUNT, "region": REGION, "subnetIds": [SUBNET]},
    ]

    found = worker(written(tmp_path, defaults={"maxRunHours": 24}, places=places), instanceType="c6i.xlarge")

    assert (found.subnet_ids, found.instance_types, found.max_run_hours) == ((SUBNET,), ("c6i.xlarge",), 24)
    assert found.pointer("instanceTypes") == "/worker/instanceType"
    assert found.pointer("proxy") == "workers.json#/places/0/proxy"
    assert found.origins["subnetIds"].name == f"workers.json, {REGION}, account {ACCOUNT}"
    assert found.configured_by == "; ".join(
        ["the request", f"workers.json, {REGION}, account {ACCOUNT}", f"workers.json, {REGION}", "the defaults of workers.json"]
    )


def test_tags_add_up_and_of_the_same_key_the_most_specific_counts(tmp_path: Path) -> None:
    places = [{"region": REGION, "tags": {"team": "regional", "a/b": "1"}}]

    found = worker(written(tmp_path, defaults={"tags": {"team": "all", "cost": "7"}}, places=places), tags={"why": "drill"})

    assert found.tags == {"team": "regional", "cost": "7", "a/b": "1", "why": "drill"}
    assert found.origins["tags/team"].pointer == "workers.json#/places/0/tags/team"
    assert found.origins["tags/a/b"].pointer == "workers.json#/places/0/tags/a~1b"
    assert found.origins["tags/why"].pointer == "/worker/tags/why"


def test_the_request_counts_above_everything(tmp_path: Path) -> None:
    request = {
        "subnetIds": ["subnet-01234567"],
        "securityGroupIds": [GROUP],
        "instanceTypes": ["r6i.large"],
        "imageId": "ami-01234567",
        "volumeGib": 99,
        "tags": {"a": "b"},
        "proxy": "https://other",
        "maxRunHours": 2,
    }

    found = worker(EXAMPLE, **request).to_state()

    assert {key: found[key] for key in request} == request | {"tags": {"cost-center": "4711", "owner": "database-team", "a": "b"}}
