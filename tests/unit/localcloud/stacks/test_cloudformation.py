"""Templates as `cdk synth` writes them are deployed as they are."""

import json
import time
from pathlib import Path

import pytest

from localcloud.cloud import Cloud
from localcloud.server import LocalCloudError

# Two stacks with every resource type that the application uses, the later one first.
ASSEMBLY = Path(__file__).parents[1] / "assembly"


@pytest.fixture(scope="module")
def deployed(cloud: Cloud) -> Cloud:
    cloud.deploy(ASSEMBLY, ExternalId="two")
    return cloud


def _parameter(cloud: Cloud, name: str) -> str:
    return str(cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def test_the_machine_of_a_template_runs_its_functions(deployed: Cloud) -> None:
    names = json.loads(_parameter(deployed, "/test/control"))
    steps = deployed.client("stepfunctions")

    execution = steps.start_execution(stateMachineArn=names["machine"])["executionArn"]

    deadline = time.monotonic() + 30
    while (ended := steps.describe_execution(executionArn=execution))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["variable"] in deployed.client("dynamodb").list_tables()["TableNames"]
    assert [one["stateMachineArn"] for one in steps.list_state_machines()["stateMachines"]] == [names["machine"]]
    assert steps.describe_state_machine(stateMachineArn=names["machine"])["type"] == "STANDARD"


def test_a_stack_finds_what_an_earlier_one_exports_and_its_parameters(deployed: Cloud) -> None:
    bucket, external_id, group, profile = _parameter(deployed, "/test/target").split()

    assert bucket == json.loads(_parameter(deployed, "/test/control"))["bucket"]
    assert external_id == "two"
    rules = deployed.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    assert [(rule["IpProtocol"], rule.get("ToPort")) for rule in rules] == [("tcp", 443)]
    assert profile == deployed.client("iam").get_instance_profile(InstanceProfileName="worker")["InstanceProfile"]["Arn"]


def test_a_bucket_policy_that_asks_for_tls_does_not_lock_the_bucket(deployed: Cloud) -> None:
    bucket = json.loads(_parameter(deployed, "/test/control"))["bucket"]

    deployed.client("s3").put_object(Bucket=bucket, Key="report", Body=b"text")

    assert deployed.client("s3").get_object(Bucket=bucket, Key="report")["Body"].read() == b"text"


def test_the_document_rule_and_schedule_of_a_template_are_there(deployed: Cloud) -> None:
    assert deployed.client("ssm").describe_document(Name="Run")["Document"]["DocumentType"] == "Command"
    assert len(deployed.client("events").list_rules()["Rules"]) == 1
    schedule = deployed.client("scheduler").list_schedules()["Schedules"][0]
    assert deployed.client("scheduler").get_schedule(Name=schedule["Name"])["ScheduleExpression"] == "rate(5 minutes)"


def test_a_resource_type_that_would_be_left_out_is_refused_before_anything_is_made(cloud: Cloud, tmp_path: Path) -> None:
    template = {"Resources": {"Api": {"Type": "AWS::AppSync::GraphQLApi"}, "Queue": {"Type": "AWS::SQS::Queue"}}}
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "template.json"}}
    (tmp_path / "template.json").write_text(json.dumps(template))
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Unfit": stack}}))

    with pytest.raises(LocalCloudError, match=r"AWS::AppSync::GraphQLApi.*Unfit"):
        cloud.deploy(tmp_path)

    assert "QueueUrls" not in cloud.client("sqs").list_queues()
