"""The application's assembly is synthesised once and published where its templates look."""

import json
import time
from pathlib import Path

import pytest

from localcloud.cloud import Cloud
from localcloud.stacks import application, assets


@pytest.fixture(scope="module")
def deployed(cloud: Cloud) -> Cloud:
    application.deploy(cloud)
    return cloud


def test_the_application_is_deployed_as_it_is_synthesised(deployed: Cloud) -> None:
    stacks = deployed.client("cloudformation").describe_stacks()["Stacks"]

    assert {stack["StackName"]: stack["StackStatus"] for stack in stacks} == {
        "DbrestoreControl": "CREATE_COMPLETE",
        "DbrestoreTarget": "CREATE_COMPLETE",
    }


def test_every_function_of_the_application_can_be_loaded(deployed: Cloud) -> None:
    functions = deployed.client("lambda")
    names = [function["FunctionName"] for function in functions.list_functions()["Functions"]]

    answers = {name: json.loads(functions.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()) for name in names}

    failures = [answer for answer in answers.values() if str((answer or {}).get("errorType")).startswith("Runtime.")]
    assert len(names) > 10
    assert failures == []


def test_the_bundle_of_the_databases_authority_lies_where_the_worker_reads_it(deployed: Cloud) -> None:
    names = json.loads(deployed.client("ssm").get_parameter(Name="/dbrestore/control")["Parameter"]["Value"])

    body = deployed.client("s3").get_object(Bucket=names["evidenceBucket"], Key="certificates/rds-ca.pem")["Body"].read()

    assert body == deployed.authority.bundle.read_bytes()


def test_what_has_not_changed_is_not_synthesised_again() -> None:
    first, started = application.assembly(), time.monotonic()

    second = application.assembly()

    assert second == first
    assert time.monotonic() - started < 2
    assert [stack.name for stack in assets.stacks(second)] == ["DbrestoreControl", "DbrestoreTarget"]


def test_stacks_come_after_those_they_depend_on() -> None:
    stacks = assets.stacks(Path(__file__).parents[1] / "assembly")

    assert [stack.name for stack in stacks] == ["Control", "Target"]
