"""The worker's type by its work, and the order of launches."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from dbrestore.contract import limits
from dbrestore.contract.errors import TargetNotUsable
from lambdas.placement import instance_types
from lambdas.placement.instance_types import Work
from lambdas.runtime.aws import TargetAccount

TIB = 1 << 40
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "aws_session_token": "testing"}
ZONES = (("subnet-a", "eu-central-1a"), ("subnet-b", "eu-central-1b"), ("subnet-c", "eu-central-1c"))
KINDS = ("c6i.large", "m6i.large", "c5.large")
OFFERED = frozenset((kind, zone) for kind in KINDS for _, zone in ZONES)


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> Iterator[TargetAccount]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield TargetAccount({"region_name": "eu-central-1", **KEYS})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("target_class", "most", "expected"),
    [
        ("db.t4g.micro", 8, 2),
        ("db.m6g.large", 8, 2),
        ("db.m6g.large", 1, 1),
        ("db.m6g.xlarge", 8, 4),
        ("db.r6g.2xlarge", 8, 8),
        ("db.r6g.16xlarge", 8, 8),
        ("db.r6g.16xlarge", 16, 16),
        ("db.x2iedn.4xlarge.tpc2.mem2x", 8, 2),
        ("db.serverless", 8, 2),
    ],
)
def test_a_target_takes_as_many_streams_as_it_has_processors(target_class: str, most: int, expected: int) -> None:
    assert instance_types.streams(target_class, most) == expected


@pytest.mark.parametrize(
    ("size", "streams", "expected"),
    [
        (1, 1, "c6i.large"),
        (TIB, 2, "c6i.large"),
        (TIB + 1, 2, "c6i.xlarge"),
        (20 * TIB, 2, "c6i.xlarge"),
        (1, 3, "c6i.xlarge"),
        (1, 4, "c6i.xlarge"),
        (TIB + 1, 5, "c6i.2xlarge"),
        (1, 8, "c6i.2xlarge"),
        (1, 9, "c6i.4xlarge"),
        (20 * TIB, 16, "c6i.4xlarge"),
    ],
)
def test_postgresql_s_worker_has_a_processor_per_stream(size: int, streams: int, expected: str) -> None:
    first, *others = instance_types.by_work(Work("postgres", size, streams))

    assert first == expected
    assert {kind.partition(".")[2] for kind in others} == {expected.partition(".")[2]}
    assert first not in others


@pytest.mark.parametrize("size", [1, 20 * TIB])
def test_sql_server_s_worker_is_small_whatever_the_size_of_the_databases(size: int) -> None:
    assert instance_types.by_work(Work("sqlserver", size, 16))[0] == "t3.small"


@pytest.mark.parametrize("work", [Work("sqlserver", 1, 2), *(Work("postgres", 1, n) for n in (2, 4, 8, 16))], ids=lambda w: w.streams)
def test_every_type_that_is_taken_by_itself_is_an_x86_type_that_ec2_offers(target: TargetAccount, work: Work) -> None:
    kinds = instance_types.by_work(work)

    assert instance_types.candidates(target, work, kinds, others=False) == kinds
    assert {kind for kind, _ in instance_types.offered(target, kinds)} == set(kinds)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["m6i.xlarge"], ("m6i.xlarge", "c6i.xlarge", "c5.xlarge", "m5.xlarge")),
        (["r5.large"], ("r5.large", "c6i.large", "m6i.large", "c5.large", "m5.large")),
        (["t3a.micro"], ("t3a.micro", "t3.micro")),
    ],
)
def test_a_type_that_was_asked_for_comes_first_then_others_of_its_size(
    target: TargetAccount, asked: list[str], expected: tuple[str, ...]
) -> None:
    assert instance_types.candidates(target, Work("postgres", 1, 2), asked) == expected


@pytest.mark.parametrize("kind", ["m7g.large", "x99.huge"])
def test_a_type_that_cannot_run_the_program_is_refused(target: TargetAccount, kind: str) -> None:
    with pytest.raises(TargetNotUsable, match=f"'{kind}' isn't an x86_64 instance type of this Region"):
        instance_types.candidates(target, Work("postgres", 1, 2), ["c5.large", kind])


def tries(*arguments: Any) -> list[tuple[str, str]]:
    return [(launch.instance_type, launch.subnet_id) for launch in instance_types.launches(*arguments)]


def test_every_type_is_tried_in_the_best_zone_before_traffic_crosses_zones() -> None:
    assert tries(KINDS, ZONES, OFFERED) == [
        ("c6i.large", "subnet-a"),
        ("m6i.large", "subnet-a"),
        ("c5.large", "subnet-a"),
        ("c6i.large", "subnet-b"),
        ("c6i.large", "subnet-c"),
        ("m6i.large", "subnet-b"),
    ]


def test_launches_that_ec2_does_not_offer_are_left_out() -> None:
    offered = OFFERED - {("c6i.large", "eu-central-1a"), ("m6i.large", "eu-central-1b")}

    assert tries(KINDS, ZONES, offered)[:4] == [
        ("m6i.large", "subnet-a"),
        ("c5.large", "subnet-a"),
        ("c6i.large", "subnet-b"),
        ("c6i.large", "subnet-c"),
    ]


def test_a_second_subnet_of_a_zone_comes_when_every_zone_had_its_turn() -> None:
    subnets = (ZONES[0], ("subnet-a2", "eu-central-1a"), ZONES[1])

    assert [subnet for _, subnet in tries(KINDS[:1], subnets, OFFERED)] == ["subnet-a", "subnet-b", "subnet-a2"]


def test_there_are_no_more_launches_than_attempts() -> None:
    assert len(tries(KINDS, ZONES, OFFERED)) == limits.WORKER_ATTEMPTS


def test_types_that_no_zone_has_are_refused() -> None:
    with pytest.raises(TargetNotUsable, match=r"none of c6i.large, m6i.large, c5.large in eu-central-1a, eu-central-1b"):
        tries(KINDS, ZONES, frozenset())


def test_the_flow_waits_long_enough_for_every_attempt_to_be_given_up() -> None:
    text = (Path(__file__).parents[4] / "statemachine" / "restore_databases.asl.json").read_text()
    [branch] = json.loads(text)["States"]["Restore"]["Branches"]
    [retry] = [r for r in branch["States"]["DeployWorker"]["Retry"] if r["ErrorEquals"] == ["NotReady"]]

    pauses = [retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(retry["MaxAttempts"])]

    # An instance that never registered takes a minute or two to end.
    needed = limits.WORKER_ATTEMPTS * (limits.WORKER_ONLINE_WITHIN + 120)
    assert sum(min(pause, retry["MaxDelaySeconds"]) for pause in pauses) > needed
