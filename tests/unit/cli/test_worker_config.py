"""`dbrestore worker-config`: what is deployed, what the worker for an instance would be, and every finding with its place and its fix."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.cli import main, request
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.request import RestoreRequest
from tests.statemachine.conftest import world
from tests.statemachine.engines import INSTANCE
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, World

__all__ = ["world"]

PLACE = f"{REGION}, account {ACCOUNT}"


@pytest.fixture
def deployed(world: World, tmp_path: Path) -> Any:
    """Deploy a file with these defaults and these places; the command finds the functions by the signpost."""
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {"CheckWorkerConfiguration": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:CheckWorkerConfiguration"},
    }
    boto3.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(parts), Type="String")

    def deploy(*places: dict[str, Any], **defaults: Any) -> None:
        path = tmp_path / "workers.json"
        path.write_text(json.dumps({"defaults": defaults, "places": places}))
        world.patch.setenv("WORKER_CONFIGURATION", str(path))

    return deploy


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_list_shows_every_place_and_what_it_sets(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed(
        {"account": ACCOUNT, "region": REGION, "tags": {"team": "dba"}},
        {"region": REGION, "volumeGib": 30},
        maxRunHours=24,
    )

    assert main.run(["worker-config", "list"]) == 0

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["defaults", "maxRunHours", "24"],
        [*PLACE.split(), "tags", "team=dba"],
        [REGION, "volumeGib", "30"],
    ]


def test_list_says_where_nothing_is_set(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed()

    assert main.run(["worker-config", "list"]) == 0

    assert capsys.readouterr().out.splitlines()[1].split() == ["defaults", "nothing"]


def test_list_as_json_has_a_line_per_place_and_a_summary(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed({"region": REGION, "volumeGib": 30})

    assert main.run(["worker-config", "list", "--json"]) == 0

    assert told(capsys) == [
        {"type": "place", "place": "defaults", "pointer": "/defaults", "settings": {}},
        {"type": "place", "place": REGION, "pointer": "/places/0", "settings": {"volumeGib": 30}},
        {"type": "summary", "places": 1, "exitCode": 0},
    ]


def test_check_shows_each_value_with_who_sets_it_and_the_subnets_with_their_reasons(
    world: World, deployed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    deployed({"region": REGION, "instanceTypes": ["m5.large"]}, maxRunHours=24)

    assert main.run(["worker-config", "check", INSTANCE, "--worker", "volumeGib=50"]) == 0

    shown = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert f"A worker for {INSTANCE}, {world.vpc_id} in {REGION} of {ACCOUNT}" in lines
    assert f"instanceTypes m5.large workers.json, {REGION} (workers.json#/places/0/instanceTypes)" in lines
    assert "volumeGib 50 the request (/worker/volumeGib)" in lines
    assert "maxRunHours 24 the defaults of workers.json (workers.json#/defaults/maxRunHours)" in lines
    assert "imageId the newest Amazon Linux 2023 built in" in lines
    assert any(line.startswith("1. subnet-") and "endpoints" in line for line in lines)
    assert any(line.startswith("launch 1: m5.large in subnet-") for line in lines)
    assert "No problems found." in lines


def test_check_finds_what_a_restore_would_be_refused_for(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed(
        {
            "account": ACCOUNT,
            "region": REGION,
            "imageId": "ami-0123456789abcdef0",
            "securityGroupIds": ["sg-0123456789abcdef0"],
        }
    )

    assert main.run(["worker-config", "check", INSTANCE]) == 1

    assert capsys.readouterr().err.splitlines() == [
        "WorkerConfigurationInvalid: workers.json#/places/0/securityGroupIds: sg-0123456789abcdef0 isn't a security group of this account "
        "and Region: name another",
        "WorkerConfigurationInvalid: workers.json#/places/0/imageId: ami-0123456789abcdef0 does not exist in this Region for account "
        f"{ACCOUNT}: name another",
    ]


def test_check_as_json_has_a_line_per_value_subnet_and_finding(world: World, deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed({"region": REGION, "imageId": "ami-0123456789abcdef0"})

    assert main.run(["worker-config", "check", INSTANCE, "--json"]) == 1

    lines = told(capsys)
    by_type = {kind: [line for line in lines if line["type"] == kind] for kind in ("value", "subnet", "finding")}
    assert (lines[0]["type"], lines[0]["dbInstance"], lines[0]["vpcId"]) == ("worker", INSTANCE, world.vpc_id)
    assert lines[0]["launches"]
    assert {
        "type": "value",
        "key": "imageId",
        "value": "ami-0123456789abcdef0",
        "origin": f"workers.json, {REGION}",
        "place": "workers.json#/places/0/imageId",
    } in by_type["value"]
    assert {line["subnetId"] for line in by_type["subnet"]} == set(world.subnets)
    assert [line["error"] for line in by_type["finding"]] == ["WorkerConfigurationInvalid"]
    assert lines[-1] == {"type": "summary", "findings": 1, "exitCode": 1}


def test_check_makes_nothing(world: World, deployed: Any) -> None:
    deployed()
    before = world.inventory()

    assert main.run(["worker-config", "check", INSTANCE]) == 0

    assert world.inventory() == before


def test_an_instance_that_is_not_there_ends_with_10(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed()

    assert main.run(["worker-config", "check", "no-such-instance"]) == 10

    assert "TargetNotFound: no DB instance or cluster 'no-such-instance'" in capsys.readouterr().err


def test_an_instance_is_looked_for_in_the_region_that_is_named(deployed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    deployed()

    assert main.run(["worker-config", "check", INSTANCE, "--to-region", "eu-west-1"]) == 10

    assert f"TargetNotFound: no DB instance or cluster '{INSTANCE}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no such!"], "INSTANCE: "),
        ([INSTANCE, "--account", "12"], '--account: must be the twelve digits of an account, as text, not "12"'),
        (
            [INSTANCE, "--to-region", "frankfurt"],
            '--to-region: must be the name of a Region, like eu-central-1, not "frankfurt"',
        ),
        ([INSTANCE, "--worker", "volumeGib"], "--worker 'volumeGib': write KEY=VALUE"),
        ([INSTANCE, "--worker", "volumeGb=40"], "/worker/volumeGb: isn't a known key: did you mean volumeGib?"),
        ([INSTANCE, "--worker", "proxy=http://a:b@c"], "/worker/proxy: must be the URL of a proxy"),
        (
            [INSTANCE, "--worker", "subnetId=subnet-1", "--worker", "subnetIds=subnet-01234567"],
            "/worker/subnetId: can't be combined with",
        ),
    ],
    ids=str,
)
def test_a_wrong_question_ends_with_2_before_anything_is_asked(
    no_aws: None, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert main.run(["worker-config", "check", *arguments]) == 2

    assert f"RestoreRequestInvalid: {line}" in capsys.readouterr().err


def asked(*worker: str) -> RestoreRequest:
    return request.build(
        request.Target("shop"), ["shop"], source=None, point="latest", mode="restore", on_conflict="fail", reason=None, worker=worker
    )


def test_wishes_for_the_worker_reach_the_input_with_the_requests_own_types() -> None:
    wishes = asked(
        "subnetIds=subnet-01234567,subnet-89abcdef",
        "volumeGib=40",
        "tags.team=a=b",
        "tags.x.y=z",
        "keepToastCompression=true",
    )

    assert json.loads(wishes.input_text())["worker"] == {
        "subnetIds": ["subnet-01234567", "subnet-89abcdef"],
        "volumeGib": 40,
        "tags": {"team": "a=b", "x.y": "z"},
        "keepToastCompression": True,
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["volumeGib=1", "volumeGib=2"], "volumeGib is given twice"),
        (["tags.a=1", "tags.a=2"], "tags.a is given twice"),
        (["=1"], "write KEY=VALUE"),
        (["volumeGib=many"], "/worker/volumeGib"),
        (["maxRunHours=999"], "/worker/maxRunHours"),
    ],
    ids=str,
)
def test_wishes_that_cannot_be_are_refused_before_anything_starts(options: list[str], words: str) -> None:
    with pytest.raises(RestoreRequestInvalid, match=words):
        asked(*options)
