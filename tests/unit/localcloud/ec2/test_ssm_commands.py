"""The contract of the fixed SSM: commands really run inside instances."""

import io
import json
import os
import time
import uuid
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localcloud.ec2 import hosts, ssm
from tests.unit.localcloud.conftest import TIME_SCALE
from tests.unit.localcloud.ec2.test_instances import launch, state, wait_for
from tests.unit.localcloud.ec2.test_security_groups import refusal

DOCUMENT = {
    "schemaVersion": "2.2",
    "parameters": {
        "JobUri": {"type": "String", "allowedPattern": "^s3://[a-z0-9/.-]+$", "interpolationType": "ENV_VAR"},
        "Word": {"type": "String", "default": "none", "allowedValues": ["none", "some"]},
    },
    "mainSteps": [
        {
            "action": "aws:runShellScript",
            "name": "RunJob",
            "inputs": {
                "timeoutSeconds": "60",
                "runCommand": ["set -eu", 'echo "$SSM_JobUri" "{{ Word }}"', "env | sort"],
            },
        }
    ],
}


@pytest.fixture(scope="module")
def systems(endpoint: str, home: Path) -> Iterator[Any]:
    ssm.install(home, TIME_SCALE, endpoint)
    yield boto3.client("ssm")
    ssm.shutdown()
    assert list((home / "instances").iterdir()) == []


@pytest.fixture(scope="module")
def profile(systems: Any) -> str:
    """An instance profile with a role named like it."""
    iam, name = boto3.client("iam"), f"worker-{uuid.uuid4().hex}"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    return name


@pytest.fixture(scope="module")
def worker(systems: Any, ec2: Any, image: str, profile: str) -> str:
    """A running instance that has registered."""
    return registered(systems, ec2, image, profile)


@pytest.fixture(scope="module")
def document(systems: Any) -> str:
    name = f"RunJob-{uuid.uuid4().hex}"
    systems.create_document(Name=name, Content=json.dumps(DOCUMENT), DocumentType="Command")
    return name


def registered(systems: Any, ec2: Any, image: str, profile: str, **more: Any) -> str:
    instance_id = str(launch(ec2, image, IamInstanceProfile={"Name": profile}, **more)["InstanceId"])
    wait_for(lambda: instance_id in online(systems))
    return instance_id


def online(systems: Any) -> list[str]:
    found = systems.describe_instance_information(Filters=[{"Key": "PingStatus", "Values": ["Online"]}])
    return [each["InstanceId"] for each in found["InstanceInformationList"]]


def send(systems: Any, instance_id: str, *lines: str, **more: Any) -> str:
    parameters = {"commands": list(lines), **{name: [value] for name, value in more.items()}}
    answer = systems.send_command(InstanceIds=[instance_id], DocumentName="AWS-RunShellScript", Parameters=parameters)
    return str(answer["Command"]["CommandId"])


def invocation(systems: Any, command_id: str, instance_id: str) -> dict[str, Any]:
    found: dict[str, Any] = systems.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
    return found


def finished(systems: Any, command_id: str, instance_id: str) -> dict[str, Any]:
    unfinished = ("Pending", "InProgress", "Cancelling")
    wait_for(lambda: invocation(systems, command_id, instance_id)["Status"] not in unfinished, seconds=20)
    return invocation(systems, command_id, instance_id)


def is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().split()[2]
    except FileNotFoundError:
        return False


def test_a_command_runs_in_its_instance_and_files_stay_between_commands(systems: Any, worker: str, home: Path) -> None:
    first = finished(systems, send(systems, worker, "pwd", "echo kept > file"), worker)
    second = finished(systems, send(systems, worker, "cat file", "echo trouble >&2", "exit 7"), worker)

    assert (first["Status"], first["ResponseCode"]) == ("Success", 0)
    assert first["StandardOutputContent"].strip() == str(home / "instances" / worker)
    assert (second["Status"], second["ResponseCode"]) == ("Failed", 7)
    assert (second["StandardOutputContent"], second["StandardErrorContent"]) == ("kept\n", "trouble\n")


def test_a_registered_document_gets_its_parameters_and_only_its_own_environment(
    systems: Any, worker: str, document: str, profile: str, home: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLERS_SECRET", "must not leak")
    parameters = {"JobUri": ["s3://evidence/job.json"], "Word": ["some"]}

    command = systems.send_command(InstanceIds=[worker], DocumentName=document, Parameters=parameters)["Command"]
    done = finished(systems, command["CommandId"], worker)

    first, *rest = done["StandardOutputContent"].splitlines()
    environment = dict(line.split("=", 1) for line in rest)
    assert (done["Status"], done["PluginName"], first) == ("Success", "RunJob", "s3://evidence/job.json some")
    assert "CALLERS_SECRET" not in environment
    assert environment["AWS_ENDPOINT_URL"] == endpoint
    assert environment["AWS_SSM_REGION_NAME"] == "eu-central-1"
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & environment.keys()
    assert environment["DBRESTORE_HOME"] == str(home / "instances" / worker / "opt" / "dbrestore")
    assert Path(environment["DBRESTORE_STATE_DIR"]).is_dir()
    assert (Path(environment["PATH"].split(":")[1]) / "python3.11").exists()
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    session = boto3.client("sts", **{key.lower(): environment[key] for key in keys})
    assert f"assumed-role/{profile}/{worker}" in session.get_caller_identity()["Arn"]


def test_an_agent_that_is_older_shows_its_version_and_puts_the_parameter_into_the_text(
    systems: Any, ec2: Any, image: str, profile: str, document: str
) -> None:
    tagged = [{"ResourceType": "instance", "Tags": [{"Key": "localcloud:ssm-agent", "Value": "3.1.1927.0"}]}]
    old = registered(systems, ec2, image, profile, TagSpecifications=tagged)
    parameters = {"JobUri": ["s3://bucket/key"]}

    sent = systems.send_command(InstanceIds=[old], DocumentName=document, Parameters=parameters)["Command"]["CommandId"]
    done = finished(systems, sent, old)

    [shown] = systems.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [old]}])["InstanceInformationList"]
    assert shown["AgentVersion"] == "3.1.1927.0"
    # `set -u`: a script without AWS's fallback line ends here.
    assert (done["Status"], "SSM_JobUri: unbound variable" in done["StandardErrorContent"]) == ("Failed", True)
    ec2.terminate_instances(InstanceIds=[old])


def test_a_document_made_by_cloudformation_runs_as_its_resource_says(systems: Any, worker: str) -> None:
    name = f"RunJob-{uuid.uuid4().hex}"
    resource = {"Type": "AWS::SSM::Document", "Properties": {"Name": name, "Content": DOCUMENT}}
    boto3.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Run": resource}}))

    parameters = {"JobUri": ["s3://evidence/job.json"]}
    command = systems.send_command(InstanceIds=[worker], DocumentName=name, Parameters=parameters)["Command"]

    done = finished(systems, command["CommandId"], worker)
    assert done["StandardOutputContent"].splitlines()[0] == "s3://evidence/job.json none"


def test_parameters_that_the_document_does_not_allow_are_refused(systems: Any, worker: str, document: str) -> None:
    def code(**parameters: str) -> str:
        given = {name: [value] for name, value in parameters.items()}
        return refusal(systems.send_command, InstanceIds=[worker], DocumentName=document, Parameters=given)

    assert code(JobUri="s3://x; rm -rf /") == "InvalidParameters"
    assert code(JobUri="s3://evidence/job.json\n") == "InvalidParameters"
    assert code(JobUri="s3://evidence/job.json", Other="x") == "InvalidParameters"
    assert code(JobUri="s3://evidence/job.json", Word="else") == "InvalidParameters"
    assert code() == "InvalidParameters"


def test_unknown_documents_and_commands_are_refused(systems: Any, worker: str) -> None:
    assert refusal(systems.send_command, InstanceIds=[worker], DocumentName="Nothing") == "InvalidDocument"
    unknown = {"CommandId": str(uuid.uuid4()), "InstanceId": worker}
    assert refusal(systems.get_command_invocation, **unknown) in ("InvocationDoesNotExist", "InvalidCommandId")


def test_output_is_empty_until_the_end_and_then_cut(systems: Any, worker: str, home: Path) -> None:
    go_on = home / "instances" / worker / "go-on"
    command_id = send(systems, worker, "head -c 30000 /dev/zero | tr '\\0' x", "until [ -e go-on ]; do sleep 0.05; done")
    wait_for(lambda: invocation(systems, command_id, worker)["Status"] == "InProgress")
    meanwhile = invocation(systems, command_id, worker)

    go_on.touch()
    done = finished(systems, command_id, worker)

    assert (meanwhile["StandardOutputContent"], meanwhile["ResponseCode"]) == ("", -1)
    assert done["StandardOutputContent"] == "x" * 24_000


def test_a_command_that_takes_too_long_is_killed(systems: Any, worker: str) -> None:
    command_id = send(systems, worker, "sleep 60 & wait", executionTimeout="1")

    done = finished(systems, command_id, worker)

    assert (done["Status"], done["ResponseCode"]) == ("TimedOut", 137)


def test_a_cancelled_command_is_killed(systems: Any, worker: str) -> None:
    command_id = send(systems, worker, "sleep 60")
    wait_for(lambda: invocation(systems, command_id, worker)["Status"] == "InProgress")

    systems.cancel_command(CommandId=command_id)

    assert finished(systems, command_id, worker)["Status"] == "Cancelled"
    assert systems.list_commands(CommandId=command_id)["Commands"][0]["Status"] == "Cancelled"


def test_commands_and_invocations_are_listed(systems: Any, worker: str) -> None:
    command_id = send(systems, worker, "echo listed")
    finished(systems, command_id, worker)

    listed = systems.list_command_invocations(CommandId=command_id, Details=True)["CommandInvocations"]

    assert [(each["InstanceId"], each["Status"]) for each in listed] == [(worker, "Success")]
    assert listed[0]["CommandPlugins"][0]["Output"] == "listed\n"
    command = systems.list_commands(CommandId=command_id)["Commands"][0]
    assert (command["Status"], command["CompletedCount"], command["ErrorCount"]) == ("Success", 1, 0)


def test_a_command_reaches_only_the_instance_that_was_named(systems: Any, ec2: Any, image: str, worker: str, profile: str) -> None:
    bystander = registered(systems, ec2, image, profile)

    command_id = send(systems, worker, "true")

    assert refusal(systems.get_command_invocation, CommandId=command_id, InstanceId=bystander) == "InvocationDoesNotExist"
    assert systems.list_commands(CommandId=command_id)["Commands"][0]["InstanceIds"] == [worker]


def test_an_instance_is_reachable_only_between_registration_and_end(
    systems: Any, ec2: Any, image: str, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two real seconds between `running` and the agent: a busy computer sees what is in between.
    monkeypatch.setattr(hosts, "REGISTRATION", 200.0)
    instance_id = launch(ec2, image, IamInstanceProfile={"Name": profile})["InstanceId"]

    assert refusal(send, systems=systems, instance_id=instance_id) == "InvalidInstanceId"
    wait_for(lambda: state(ec2, instance_id) == "running")
    assert instance_id not in online(systems)
    wait_for(lambda: instance_id in online(systems))
    ec2.terminate_instances(InstanceIds=[instance_id])

    assert refusal(send, systems=systems, instance_id=instance_id) == "InvalidInstanceId"
    wait_for(lambda: instance_id not in online(systems), seconds=20)
    assert refusal(send, systems=systems, instance_id="i-00000000000000000") == "InvalidInstanceId"


def ping(systems: Any, instance_id: str) -> tuple[str, datetime]:
    wanted = [{"Key": "InstanceIds", "Values": [instance_id]}]
    [shown] = systems.describe_instance_information(Filters=wanted)["InstanceInformationList"]
    return shown["PingStatus"], shown["LastPingDateTime"]


def test_what_runs_on_under_an_agent_that_was_stopped_is_in_progress_until_ssm_gives_up(
    systems: Any, ec2: Any, image: str, profile: str, home: Path
) -> None:
    instance_id = registered(systems, ec2, image, profile)
    done = home / "instances" / instance_id / "done"
    lines = ("systemctl stop amazon-ssm-agent", "sleep 0.5", "touch done")
    command_id = send(systems, instance_id, *lines, executionTimeout="3600")
    wait_for(done.exists)

    before = ping(systems, instance_id)
    wait_for(lambda: ping(systems, instance_id)[0] == "ConnectionLost", seconds=20)
    lost = ping(systems, instance_id)

    assert before[0] == "Online"
    assert abs(lost[1] - before[1]) < timedelta(seconds=TIME_SCALE)
    assert state(ec2, instance_id) == "running"
    assert invocation(systems, command_id, instance_id)["Status"] == "InProgress"
    assert refusal(send, systems=systems, instance_id=instance_id) == "InvalidInstanceId"
    wait_for(lambda: invocation(systems, command_id, instance_id)["StatusDetails"] == "Execution Timed Out", seconds=60)
    assert systems.list_commands(CommandId=command_id)["Commands"][0]["StatusDetails"] == "Execution Timed Out"
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_a_stopped_instance_works_no_more_and_comes_back_when_it_is_started(
    systems: Any, ec2: Any, image: str, profile: str, home: Path
) -> None:
    instance_id = registered(systems, ec2, image, profile)
    note = home / "instances" / instance_id / "process"
    command_id = send(systems, instance_id, "echo $$ > note && mv note process", "sleep 60")
    wait_for(note.exists)
    process = int(note.read_text())

    ec2.stop_instances(InstanceIds=[instance_id])
    wait_for(lambda: not is_alive(process), seconds=1)
    undelivered = systems.send_command(
        InstanceIds=[instance_id], DocumentName="AWS-RunShellScript", Parameters={"commands": ["true"]}, TimeoutSeconds=60
    )["Command"]["CommandId"]
    wait_for(lambda: invocation(systems, undelivered, instance_id)["StatusDetails"] == "Delivery Timed Out")
    wait_for(lambda: ping(systems, instance_id)[0] == "ConnectionLost", seconds=20)
    assert invocation(systems, command_id, instance_id)["Status"] == "InProgress"

    ec2.start_instances(InstanceIds=[instance_id])

    wait_for(lambda: ping(systems, instance_id)[0] == "Online")
    assert finished(systems, send(systems, instance_id, "cat process"), instance_id)["StandardOutputContent"] == f"{process}\n"
    ec2.terminate_instances(InstanceIds=[instance_id])


def test_terminating_an_instance_kills_its_processes_at_once(systems: Any, ec2: Any, image: str, profile: str, home: Path) -> None:
    instance_id = registered(systems, ec2, image, profile)
    note = home / "instances" / instance_id / "processes"
    command_id = send(systems, instance_id, "sleep 60 &", "echo $$ $! > note && mv note processes", "wait")
    wait_for(note.exists)
    processes = [int(number) for number in note.read_text().split()]
    assert [is_alive(process) for process in processes] == [True, True]

    ec2.terminate_instances(InstanceIds=[instance_id])

    wait_for(lambda: not any(is_alive(process) for process in processes), seconds=1)
    time.sleep(0.3)
    assert invocation(systems, command_id, instance_id)["Status"] == "InProgress"


def test_the_volume_of_a_terminated_instance_goes_with_it_even_under_a_command_that_writes(
    systems: Any, ec2: Any, image: str, profile: str, home: Path
) -> None:
    instance_id = registered(systems, ec2, image, profile)
    volume = home / "instances" / instance_id
    written = volume / "state" / "pgpass"
    send(
        systems,
        instance_id,
        'while :; do mkdir -p "$DBRESTORE_STATE_DIR"; echo x > "$DBRESTORE_STATE_DIR/pgpass"; done',
    )
    wait_for(written.exists)

    ec2.terminate_instances(InstanceIds=[instance_id])

    wait_for(lambda: not volume.exists())
    time.sleep(0.3)
    assert not volume.exists()


def test_processes_left_behind_by_a_finished_command_die_with_the_instance(systems: Any, ec2: Any, image: str, profile: str) -> None:
    instance_id = registered(systems, ec2, image, profile)
    done = finished(systems, send(systems, instance_id, "sleep 60 & echo $!"), instance_id)
    process = int(done["StandardOutputContent"])
    assert is_alive(process)

    ec2.terminate_instances(InstanceIds=[instance_id])

    wait_for(lambda: not is_alive(process), seconds=1)


def test_shutdown_from_inside_terminates_the_instance_that_asked_for_it(systems: Any, ec2: Any, image: str, profile: str) -> None:
    instance_id = registered(systems, ec2, image, profile, InstanceInitiatedShutdownBehavior="terminate")

    send(systems, instance_id, "shutdown -h now")

    wait_for(lambda: state(ec2, instance_id) == "terminated")


def test_shutdown_from_inside_stops_an_instance_by_default(systems: Any, ec2: Any, image: str, profile: str) -> None:
    instance_id = registered(systems, ec2, image, profile)

    send(systems, instance_id, "shutdown -h now")

    wait_for(lambda: state(ec2, instance_id) == "stopped")


def test_the_dead_man_timer_ends_the_instance(systems: Any, ec2: Any, image: str, profile: str) -> None:
    user_data = "#!/bin/bash\n# dbrestore-max-minutes: 2\nshutdown -h +2\n"

    instance_id = registered(systems, ec2, image, profile, UserData=user_data, InstanceInitiatedShutdownBehavior="terminate")

    wait_for(lambda: state(ec2, instance_id) == "terminated")


def test_the_program_of_the_user_data_is_unpacked_once_and_runs(systems: Any, ec2: Any, image: str, profile: str, home: Path) -> None:
    user_data = f"#!/bin/bash\n# dbrestore-program: {upload(program())}\n"

    first, second = (registered(systems, ec2, image, profile, UserData=user_data) for _ in range(2))
    done = finished(systems, send(systems, first, '[ -e "$DBRESTORE_HOME/.ready" ] && exec "$DBRESTORE_HOME/run" yes'), first)

    assert (done["Status"], done["StandardOutputContent"]) == ("Success", "ran yes\n")
    trees = {(home / "instances" / each / "opt" / "dbrestore").resolve() for each in (first, second)}
    assert len(trees) == 1
    assert not os.access(trees.pop() / "data", os.X_OK)


def console(ec2: Any, instance_id: str) -> str:
    return str(ec2.get_console_output(InstanceId=instance_id)["Output"])


def test_an_instance_without_a_profile_never_registers_and_says_so(systems: Any, ec2: Any, image: str) -> None:
    instance_id = launch(ec2, image)["InstanceId"]

    wait_for(lambda: "the SSM agent has no credentials" in console(ec2, instance_id))
    time.sleep(0.5)

    assert instance_id not in online(systems)
    ec2.terminate_instances(InstanceIds=[instance_id])
    wait_for(lambda: state(ec2, instance_id) == "terminated")
    assert "the SSM agent has no credentials" in console(ec2, instance_id)


# As the product's boot script has it, continued on a line of its own.
BOOT = """#!/bin/bash
# dbrestore-program: {uri}
[ -e /opt/dbrestore.zip ] || failed "{uri} could not be fetched: look at the \\
way to S3"
"""


def test_a_program_that_is_missing_leaves_the_scripts_last_words(systems: Any, ec2: Any, image: str, profile: str) -> None:
    upload(program())
    instance_id = registered(systems, ec2, image, profile, UserData=BOOT.format(uri="s3://programs/missing.zip"))

    told = finished(systems, send(systems, instance_id, 'ls -A "$DBRESTORE_HOME"; cat "$DBRESTORE_HOME/.failed"'), instance_id)

    words = "s3://programs/missing.zip could not be fetched: look at the way to S3"
    assert told["StandardOutputContent"] == f".failed\n{words}\n"
    assert f"dbrestore: the worker could not boot: {words}\n" in console(ec2, instance_id)


NOBODY_READS = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}]}
ONE_ROLE_READS = {
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "*",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/somebody"}},
        }
    ]
}
OTHERS_DATA = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::elsewhere/*"}]}
EVERYTHING = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        (NOBODY_READS, "with an explicit deny in a VPC endpoint policy"),
        (ONE_ROLE_READS, "because no VPC endpoint policy allows the s3:GetObject action"),
        ({"Statement": [*OTHERS_DATA["Statement"], EVERYTHING]}, ""),
    ],
    ids=["denies", "allows others", "is about others"],
)
def test_the_program_comes_through_the_endpoint_that_the_vpc_has_for_s3(
    systems: Any, ec2: Any, image: str, profile: str, policy: dict[str, Any], refused: str
) -> None:
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    table = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"]
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        VpcEndpointType="Gateway",
        ServiceName="com.amazonaws.eu-central-1.s3",
        RouteTableIds=[table],
        PolicyDocument=json.dumps(policy),
    )
    try:
        instance_id = registered(systems, ec2, image, profile, UserData=BOOT.format(uri=upload(program())))
        told = finished(systems, send(systems, instance_id, 'ls -A "$DBRESTORE_HOME"'), instance_id)["StandardOutputContent"]
    finally:
        ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpoint"]["VpcEndpointId"]])

    assert (".failed" in told, ".ready" in told) == (bool(refused), not refused)
    assert refused in console(ec2, instance_id)


def program() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        run = zipfile.ZipInfo("run")
        run.external_attr = 0o100755 << 16
        archive.writestr(run, '#!/bin/bash\necho "ran $1"\n')
        archive.writestr("data", "no program")
    return packed.getvalue()


def upload(content: bytes) -> str:
    s3 = boto3.client("s3")
    try:
        s3.create_bucket(Bucket="programs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    except ClientError as error:
        if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
            raise
    s3.put_object(Bucket="programs", Key="worker.zip", Body=content)
    return "s3://programs/worker.zip"
