"""The local cloud as one thing: what it takes from the environment, and what it leaves behind."""

import json
import os
import socket
import time
from pathlib import Path

import boto3
import pytest

from localcloud import cloud as local
from localcloud.base.clients import HOME, Place
from localcloud.cloud import Cloud
from localcloud.server import LocalCloudError
from tests.unit.localcloud.flow import lambda_functions


@pytest.fixture
def hostile_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "eu-north-1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hostile_environment")
def test_nothing_of_the_persons_own_configuration_is_used(tmp_path: Path) -> None:
    running = local.start(tmp_path, schedules=False)
    try:
        answer, error = lambda_functions.invoke(running, lambda_functions.create(running))
    finally:
        running.stop()

    assert error is None
    assert answer["endpoint"] == running.endpoint


def test_stop_ends_every_child_and_forgets_everything(tmp_path: Path) -> None:
    first = local.start(tmp_path / "first", schedules=False)
    answer, _ = lambda_functions.invoke(first, lambda_functions.create(first))
    first.stop()

    second = local.start(tmp_path / "second", schedules=False)
    left = second.client("lambda").list_functions()["Functions"]
    second.stop()

    assert not Path(f"/proc/{answer['process']}").exists()
    assert left == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(first.endpoint.rsplit(":", 1)[1]))) != 0


def test_what_still_runs_when_a_cloud_stops_never_reaches_the_next_one(tmp_path: Path) -> None:
    first = local.start(tmp_path / "first", time_scale=100, schedules=False)
    name = lambda_functions.create(first)
    functions, steps = first.client("lambda"), first.client("stepfunctions")
    functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"error": "Oops", "failures": 9}')
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 50, "BackoffRate": 1.0, "MaxAttempts": 99}]
    arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{name}"
    task = {
        "Type": "Task",
        "Resource": arn,
        "Parameters": {"error": "Oops", "failures": 999},
        "Retry": retry,
        "End": True,
    }
    definition = json.dumps({"StartAt": "Task", "States": {"Task": task}})
    machine = steps.create_state_machine(name="m", definition=definition, roleArn=lambda_functions.role(first))
    steps.start_execution(stateMachineArn=machine["stateMachineArn"])
    time.sleep(1)

    first.stop()

    second = local.start(tmp_path / "second", time_scale=100, schedules=False)
    time.sleep(2)
    strangers = [call.action for call in second.calls if call.action.startswith("lambda:")]
    second.stop()
    assert strangers == []
    assert list((tmp_path / "second" / "lambda").glob("log/*")) == []


def test_where_roles_alone_meet_inconsistency_an_owner_sees_what_is(tmp_path: Path) -> None:
    running = local.start(tmp_path, time_scale=1, schedules=False)
    try:
        elsewhere = Place("210987654321", running.region)
        for place in (HOME, elsewhere):
            role = running.client("iam", place=place).create_role(RoleName="looker", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
            owner, other = running.client("ec2", place=place), running.client("ec2", role, place)
            running.be_inconsistent(1, for_roles_alone=True)
            made = owner.create_security_group(GroupName="new", Description="new")["GroupId"]

            assert owner.describe_security_groups(GroupIds=[made])["SecurityGroups"]
            with pytest.raises(other.exceptions.ClientError, match=r"InvalidGroup\.NotFound"):
                other.describe_security_groups(GroupIds=[made])
    finally:
        running.stop()


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(LocalCloudError, match=f"Port {port} .* in use"):
            local.start(tmp_path, port)

    after = local.start(tmp_path, schedules=False)
    after.stop()


def test_a_second_cloud_in_one_process_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(LocalCloudError, match="already"):
        local.start(tmp_path)


def test_the_environment_of_a_cloud_is_all_that_a_client_needs(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)

    identity = boto3.session.Session().client("sts").get_caller_identity()

    assert identity["Account"] == "123456789012"
