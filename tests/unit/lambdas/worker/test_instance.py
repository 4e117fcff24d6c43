"""The worker: how it is launched, found again, given up and removed."""

import base64
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.core.responses import ActionResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import InstanceBackend, StateReason
from moto.ec2.responses.general import SAMPLE_CONSOLE_OUTPUT, General
from moto.ssm.models import SimpleSystemManagerBackend

from dbrestore.contract import keys, limits
from dbrestore.contract.deployed import job_document
from dbrestore.contract.errors import AwsRefused, InternalContradiction, NotReady, RestoreClosed, WorkerNotStarted
from dbrestore.contract.names import restore_id
from lambdas.planning.plan_restore import plan_restore
from lambdas.worker.instance import deploy_worker, remove_worker
from localcloud.base import clock
from tests.statemachine.world import REQUEST, World, execution_arn


@pytest.fixture
def planned(world: World) -> dict[str, Any]:
    return {"plan": plan_restore({"request": REQUEST, "executionArn": execution_arn("restore-1")}, None)}


def instances() -> list[dict[str, Any]]:
    return [i for r in boto3.client("ec2").describe_instances()["Reservations"] for i in r["Instances"]]


def test_the_worker_is_what_the_design_says(world: World, planned: dict[str, Any]) -> None:
    told = world.until_done(deploy_worker, planned)

    (worker,) = instances()
    restore = planned["plan"]["restoreId"]
    assert told == {"instanceId": worker["InstanceId"]}
    assert worker["SubnetId"] == planned["plan"]["worker"]["launches"][0]["subnetId"]
    assert [g["GroupId"] for g in worker["NetworkInterfaces"][0]["Groups"]] == [planned["plan"]["worker"]["securityGroupIds"][0]]
    assert worker["MetadataOptions"]["HttpTokens"] == "required"
    assert "KeyName" not in worker
    tags = {tag["Key"]: tag["Value"] for tag in worker["Tags"]}
    assert tags["dbrestore:restore-id"] == restore
    assert tags["dbrestore:managed"] == "true"
    assert tags["Name"] == f"dbrestore-{restore}-worker-1"
    assert tags["dbrestore:expires-at"] > planned["plan"]["plannedAt"]
    ec2 = boto3.client("ec2")
    attribute = ec2.describe_instance_attribute(InstanceId=worker["InstanceId"], Attribute="instanceInitiatedShutdownBehavior")
    assert attribute["InstanceInitiatedShutdownBehavior"]["Value"] == "terminate"
    (volume,) = ec2.describe_volumes()["Volumes"]
    assert volume["Encrypted"]


def test_a_worker_that_is_hours_old_and_answers_is_taken_again(world: World, planned: dict[str, Any]) -> None:
    told = world.until_done(deploy_worker, planned)
    world.clock.let_pass(hours=3)

    again = world.until_done(deploy_worker, planned)

    assert again == told
    assert [instance["State"]["Name"] for instance in instances()] == ["running"]


def test_an_old_agent_is_a_remark_and_no_reason_to_refuse_the_worker(
    world: World, planned: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world.until_done(deploy_worker, planned)
    assert "SSM agent" not in caplog.text
    world.worker.agent = "3.1.1927.0"

    told = world.until_done(deploy_worker, planned)

    assert told == {"instanceId": instances()[0]["InstanceId"]}
    assert f"{told['instanceId']}: The worker's image has the SSM agent 3.1.1927.0" in caplog.text


def test_the_boot_script_arms_the_timer_before_anything_that_can_fail(world: World, planned: dict[str, Any]) -> None:
    world.until_done(deploy_worker, planned)

    (worker,) = instances()
    script = boot_script(worker)
    lines = [line for line in script.splitlines() if line and not line.startswith("#")]
    minutes = 168 * 60 + limits.DEAD_MAN_MARGIN_MINUTES
    assert "# dbrestore-program: s3://evidence/programs/worker.zip" in script.splitlines()
    assert f"# dbrestore-max-minutes: {minutes}" in script.splitlines()
    assert lines[0] == f"shutdown -h +{minutes}"
    assert "${" not in script


def test_the_worker_is_what_the_request_asks_for(world: World) -> None:
    extra = world.group("to-the-proxy")
    asked = {
        "securityGroupIds": [extra],
        "volumeGib": 33,
        "tags": {"team": "dba", "dbrestore": "ours"},
        "maxRunHours": 2,
    }
    request = {**REQUEST, "worker": asked}
    plan = {"plan": plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None)}

    world.until_done(deploy_worker, plan)

    (worker,) = instances()
    (volume,) = boto3.client("ec2").describe_volumes()["Volumes"]
    tags = {tag["Key"]: tag["Value"] for tag in worker["Tags"]}
    assert [g["GroupId"] for g in worker["NetworkInterfaces"][0]["Groups"]][1:] == [extra]
    assert volume["Size"] == 33
    assert (tags["team"], tags["dbrestore:managed"]) == ("dba", "true")
    assert tags.items() <= {tag["Key"]: tag["Value"] for tag in volume["Tags"]}.items()
    assert f"# dbrestore-max-minutes: {120 + limits.DEAD_MAN_MARGIN_MINUTES}" in boot_script(worker).splitlines()


def test_the_worker_boots_from_the_image_that_is_set_on_the_volume_that_it_names(world: World, planned: dict[str, Any]) -> None:
    asked = refuse_launches(world, [])
    planned["plan"]["worker"] |= {"imageId": "ami-0123456789abcdef0", "rootDevice": "/dev/sda1"}

    world.until_done(deploy_worker, planned)

    assert instances()[0]["ImageId"] == "ami-0123456789abcdef0"
    assert [m["DeviceName"] for m in asked[0]["block_device_mappings"]] == ["/dev/sda1"]


def test_a_worker_with_a_proxy_uses_it_for_everything_but_what_the_vpc_serves(
    world: World, planned: dict[str, Any], tmp_path: Path
) -> None:
    proxy, direct = "http://proxy.example.com:3128", ["169.254.169.254", "s3.eu-central-1.amazonaws.com"]
    planned["plan"]["worker"] |= {"proxy": proxy, "noProxy": direct}
    world.until_done(deploy_worker, planned)

    called = run_boot_script(boot_script(instances()[0]), tmp_path)

    variables = f"{proxy} {proxy} {','.join(direct)}"
    agent = (tmp_path / "etc/systemd/system/amazon-ssm-agent.service.d/dbrestore-proxy.conf").read_text()
    # Between the first two: the timer for the agent's log, which has a test of its own.
    assert [called.pop(1).split()[0], *called[:-5]] == [
        "systemd-run",
        f"shutdown -h +{168 * 60 + limits.DEAD_MAN_MARGIN_MINUTES} with",
        f"systemctl daemon-reload with {variables}",
        f"systemctl --no-block restart amazon-ssm-agent with {variables}",
        f"dnf install -y python3.11 unzip util-linux shadow-utils with {variables}",
        f"aws s3 cp --region eu-central-1 s3://evidence/programs/worker.zip {tmp_path}/opt/dbrestore.zip with {variables}",
        f"unzip -q -o {tmp_path}/opt/dbrestore.zip -d {tmp_path}/opt/dbrestore with {variables}",
    ]
    assert agent == f"[Service]\nEnvironmentFile={tmp_path}/etc/dbrestore/proxy\n"
    assert (tmp_path / "etc/dbrestore/proxy").read_text().splitlines() == [
        *(f"{name}={proxy}" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")),
        *(f"{name}={','.join(direct)}" for name in ("no_proxy", "NO_PROXY")),
    ]


def test_a_worker_without_a_proxy_leaves_the_agent_and_the_environment_alone(world: World, planned: dict[str, Any], tmp_path: Path) -> None:
    world.until_done(deploy_worker, planned)

    called = run_boot_script(boot_script(instances()[0]), tmp_path)

    assert [line.split()[0] for line in called] == [
        *("shutdown", "systemd-run", "dnf", "aws", "unzip", "id", "useradd", "install", "sysctl", "python3.11")
    ]
    assert all(line.endswith(" with") for line in called)
    assert not (tmp_path / "etc").exists()
    assert (tmp_path / "opt/dbrestore/.ready").exists()


@pytest.mark.parametrize(
    ("bucket", "region"),
    [
        ("dbrestore-evidence-999999999999-eu-west-1-an", "eu-west-1"),
        ("cdk-hnb659fds-assets-123456789012-eu-central-1", "eu-central-1"),
    ],
    ids=["the control account's", "the target's own"],
)
def test_a_worker_asks_for_its_program_in_the_region_where_it_lies(
    world: World, planned: dict[str, Any], tmp_path: Path, bucket: str, region: str
) -> None:
    planned["plan"]["worker"]["programUri"] = f"s3://{bucket}/programs/worker.zip"
    world.until_done(deploy_worker, planned)

    called = run_boot_script(boot_script(instances()[0]), tmp_path)

    assert [line.split()[3:6] for line in called if line.startswith("aws ")] == [["--region", region, f"s3://{bucket}/programs/worker.zip"]]


@pytest.mark.parametrize("url", ['http://x";reboot;"', "http://x$(reboot)", "http://x\nreboot", "http://me:secret@x"])
def test_a_stored_plan_brings_nothing_into_the_boot_script_but_a_proxys_url(world: World, planned: dict[str, Any], url: str) -> None:
    planned["plan"]["worker"]["proxy"] = url

    with pytest.raises(InternalContradiction, match="/plan/worker/proxy"):
        world.invoke(deploy_worker, planned)

    assert instances() == []


def boot_script(worker: dict[str, Any]) -> str:
    told = boto3.client("ec2").describe_instance_attribute(InstanceId=worker["InstanceId"], Attribute="userData")
    return base64.b64decode(told["UserData"]["Value"]).decode()


BROUGHT = ("python3.11", "unzip", "aws", "setpriv", "useradd")
OF_EVERY_IMAGE = ("aws", "setpriv", "useradd")


def run_boot_script(
    script: str, root: Path, brings: Sequence[str] = OF_EVERY_IMAGE, installs: bool = True, fetches: bool = True
) -> list[str]:
    """Run it under bash with `root` in the place of `/`: each program that it calls, with the proxy's variables that it then has. `brings`
    of what it needs is on the image; whether dnf `installs` the rest and S3 gives the program is the subnet's."""
    done = boot(script, root, brings, installs, fetches)
    assert (done.returncode, done.stderr) == (0, "")
    return (root / "called").read_text().splitlines()


def boot(script: str, root: Path, brings: Sequence[str], installs: bool, fetches: bool) -> "subprocess.CompletedProcess[str]":
    programs = root / "bin"
    programs.mkdir()
    for name in ("cat", "echo", "mkdir", "rm", "sh", "touch", "xargs"):
        (programs / name).symlink_to(str(shutil.which(name, path="/usr/bin:/bin")))
    away = [name for name in BROUGHT if name not in brings]
    outcome = {
        "dnf": "; ".join(f"cp {programs}/.{name} {programs}/{name}" for name in away) if installs else "exit 1",
        "aws": f"touch {root}/opt/dbrestore.zip" if fetches else "exit 1",
    }
    outcome["id"] = "exit 1"
    for name in ("shutdown", "systemctl", "systemd-run", "dnf", "sleep", "id", "install", "sysctl", *BROUGHT):
        told = f'echo "{name} $* with" $https_proxy $HTTP_PROXY $no_proxy >> {root}/called'
        program = programs / (f".{name}" if name in away else name)
        program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{told}\n{outcome.get(name, ':')}\n")
        program.chmod(0o755)
    inside = re.sub(r"(?<![\w.])/(etc|opt)/", rf"{root}/\1/", script)
    return subprocess.run(["/bin/bash", "-c", inside], env={"PATH": str(programs)}, capture_output=True, text=True, check=False)


def test_an_image_that_brings_everything_needs_no_package_server(world: World, planned: dict[str, Any], tmp_path: Path) -> None:
    world.until_done(deploy_worker, planned)

    called = run_boot_script(boot_script(instances()[0]), tmp_path, brings=BROUGHT, installs=False)

    assert [line.split()[0] for line in called] == [
        *("shutdown", "systemd-run", "aws", "unzip", "id", "useradd", "install", "sysctl", "python3.11")
    ]


def test_the_program_gets_a_user_with_a_private_folder_and_no_core_dumps(world: World, planned: dict[str, Any], tmp_path: Path) -> None:
    world.until_done(deploy_worker, planned)

    called = run_boot_script(boot_script(instances()[0]), tmp_path, brings=BROUGHT)

    assert [line.partition(" with")[0] for line in called[-4:-1]] == [
        "useradd --system --home-dir /var/lib/dbrestore --shell /sbin/nologin dbrestore",
        "install -d -o dbrestore -g dbrestore -m 700 /var/lib/dbrestore",
        "sysctl -qw kernel.core_pattern=|/bin/false",
    ]
    assert (tmp_path / "opt/dbrestore/.user").read_text() == "dbrestore /var/lib/dbrestore\n"


def test_the_program_is_compiled_once_and_nobody_waits_for_that(world: World, planned: dict[str, Any], tmp_path: Path) -> None:
    world.until_done(deploy_worker, planned)
    script = boot_script(instances()[0])

    called = run_boot_script(script, tmp_path, brings=BROUGHT)

    assert called[-1].startswith("python3.11 -P -s -S -c import dbrestore.worker.__main__, ")
    assert script.index("python3.11 -P") > script.index("touch /opt/dbrestore/.ready")


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        (
            {"brings": (*OF_EVERY_IMAGE, "unzip"), "installs": False},
            r"the image lacks python3\.11, and dnf can't install it: open .* \(worker\.imageId\)",
        ),
        ({"brings": OF_EVERY_IMAGE, "installs": False}, r"the image lacks python3\.11 unzip, and dnf"),
        ({"fetches": False}, r"s3://evidence/programs/worker\.zip could not be fetched: check the subnet's way to S3, .* is there"),
    ],
    ids=["no Python", "no Python, no unzip", "no program"],
)
def test_a_boot_that_fails_says_why_to_the_console_and_to_the_command_and_is_not_ready(
    world: World, planned: dict[str, Any], tmp_path: Path, conditions: dict[str, Any], words: str
) -> None:
    world.until_done(deploy_worker, planned)

    done = boot(boot_script(instances()[0]), tmp_path, **{"brings": OF_EVERY_IMAGE, "installs": True, "fetches": True} | conditions)

    last_words = (tmp_path / "opt/dbrestore/.failed").read_text().strip()
    assert re.fullmatch(words + ".*", last_words), last_words
    assert (done.returncode, done.stderr) == (1, f"dbrestore: the worker could not boot: {last_words}\n")
    assert not (tmp_path / "opt/dbrestore/.ready").exists()
    command = subprocess.run(
        ["/bin/sh", "-c", job_document.SCRIPT],
        env={"PATH": "/usr/bin:/bin", "DBRESTORE_HOME": str(tmp_path / "opt/dbrestore"), "SSM_JobUri": "s3://b/job"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (command.returncode, command.stderr) == (job_document.NEVER_BOOTED, f"the worker could not boot: {last_words}\n")


def test_what_an_agent_that_never_answers_wrote_is_on_the_console_before_the_worker_is_given_up(
    world: World, planned: dict[str, Any], tmp_path: Path
) -> None:
    world.until_done(deploy_worker, planned)
    script = boot_script(instances()[0])
    run_boot_script(script, tmp_path)
    ((seconds, command),) = re.findall(r"systemd-run .*--on-active=(\d+) .*\\\n *(/bin/sh -c .*) \|\| true$", script, flags=re.M)
    log = tmp_path / "errors.log"
    log.write_text("\n".join(f"line {number}" for number in range(50)) + "\nError occurred fetching the seelog config\n")

    local = command.replace("/var/log/amazon/ssm/errors.log", str(log)).replace("/dev/console", str(tmp_path / "console"))
    subprocess.run(shlex.split(local), check=True)

    told = (tmp_path / "console").read_text().splitlines()
    assert (len(told), told[-1]) == (40, "dbrestore: SSM agent: Error occurred fetching the seelog config")
    # EC2 boots the system and fetches the console's text meanwhile.
    assert int(seconds) + 120 <= limits.WORKER_ONLINE_WITHIN


def test_a_launch_whose_record_was_lost_is_found_again(world: World, planned: dict[str, Any]) -> None:
    world.until_done(deploy_worker, planned)
    ledger = world.ledger()
    row = ledger.rows("instance")[0]
    ledger.table.write(ledger.table.put(ledger._item(row.model_copy(update={"state": "INTENT", "physical_id": None}))))

    world.until_done(deploy_worker, planned)

    assert len(instances()) == 1
    assert ledger.rows("instance")[0].physical_id == row.physical_id


def test_a_launch_is_found_again_even_when_it_would_be_asked_for_differently_now(world: World, planned: dict[str, Any]) -> None:
    # Amazon publishes a new image between two attempts: EC2 refuses the old token with the new request.
    world.until_done(deploy_worker, planned)
    ledger = world.ledger()
    row = ledger.rows("instance")[0]
    ledger.table.write(ledger.table.put(ledger._item(row.model_copy(update={"state": "INTENT", "physical_id": None}))))
    planned["plan"]["worker"]["launches"][0]["instanceType"] = "m6i.xlarge"

    told = world.until_done(deploy_worker, planned)

    assert told["instanceId"] == row.physical_id


def refuse_launches(world: World, codes: list[str]) -> list[dict[str, Any]]:
    """The first launches are refused with these codes; the requests."""
    launch = InstanceBackend.run_instances
    asked: list[dict[str, Any]] = []

    def run_instances(backend: Any, *arguments: Any, **request: Any) -> Any:
        asked.append(request)
        if len(asked) <= len(codes):
            raise EC2ClientError(codes[len(asked) - 1], "not now")
        return launch(backend, *arguments, **request)

    world.patch.setattr(InstanceBackend, "run_instances", run_instances)
    return asked


def end_launches(world: World, code: str, words: str) -> None:
    """Every launch succeeds, and its instance ends before it runs, for this reason."""
    launch = InstanceBackend.run_instances

    def run_instances(backend: Any, *arguments: Any, **request: Any) -> Any:
        reservation = launch(backend, *arguments, **request)
        for instance in reservation.instances:
            instance.terminate()
            instance._state.fail()
            instance.state_reason = StateReason(f"{code}: {words}", code)
        return reservation

    world.patch.setattr(InstanceBackend, "run_instances", run_instances)


def test_without_capacity_the_next_subnet_is_tried(world: World, planned: dict[str, Any]) -> None:
    refuse_launches(world, ["InsufficientInstanceCapacity"])

    world.until_done(deploy_worker, planned)

    (worker,) = instances()
    assert worker["SubnetId"] == planned["plan"]["worker"]["launches"][1]["subnetId"]
    assert [row.state for row in world.ledger().rows("instance")] == ["DELETED", "CREATED"]


def test_without_any_capacity_the_worker_is_given_up(world: World, planned: dict[str, Any]) -> None:
    asked = refuse_launches(world, ["InsufficientInstanceCapacity"] * 99)

    with pytest.raises(WorkerNotStarted, match=r"worker\.subnetId"):
        world.invoke(deploy_worker, planned)

    assert len(asked) == limits.WORKER_ATTEMPTS
    assert len({request["client_token"] for request in asked}) == limits.WORKER_ATTEMPTS


@pytest.mark.parametrize("code", ["VcpuLimitExceeded", "InstanceLimitExceeded"])
def test_a_quota_that_is_used_up_is_named_after_one_try(world: World, planned: dict[str, Any], code: str) -> None:
    asked = refuse_launches(world, [code] * 99)

    with pytest.raises(AwsRefused, match=f"{code}.*ask for more in Service Quotas: Running On-Demand instances"):
        deploy_worker(planned, None)

    assert len(asked) == 1


def test_another_refusal_is_told_with_operation_and_code(world: World, planned: dict[str, Any]) -> None:
    refuse_launches(world, ["UnauthorizedOperation"])

    with pytest.raises(AwsRefused, match="RunInstances: UnauthorizedOperation"):
        world.invoke(deploy_worker, planned)


def test_a_worker_that_never_registers_is_replaced_and_in_the_end_given_up(world: World, planned: dict[str, Any]) -> None:
    world.worker.online = False
    world.seconds_between_calls = limits.WORKER_ONLINE_WITHIN + 1

    with pytest.raises(WorkerNotStarted) as given_up:
        world.until_done(deploy_worker, planned)

    assert len(instances()) == limits.WORKER_ATTEMPTS
    assert {i["State"]["Name"] for i in instances()} == {"terminated"}
    for row in world.ledger().rows("instance"):
        key = boot_log_key(row.physical_id)
        assert boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read().decode() == SAMPLE_CONSOLE_OUTPUT
        assert row.note == f"what it said while it booted: s3://evidence/{key}"
    folder = boot_log_key("").removesuffix(".log")
    assert f"never registered with SSM; what they said while they booted lies below s3://evidence/{folder}. Check" in str(given_up.value)


def boot_log_key(instance_id: str | None) -> str:
    return keys.boot_log_key(restore_id(execution_arn("restore-1")), str(instance_id))


@pytest.mark.parametrize("harm", ["no console", "a denied console", "a lost bucket"])
def test_that_there_is_no_boot_log_changes_nothing(
    world: World, planned: dict[str, Any], monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    def console(*_: Any) -> Any:
        if harm == "no console":
            return ActionResult({"Timestamp": datetime.now(UTC), "Output": ""})
        raise EC2ClientError("UnauthorizedOperation", "not allowed")

    world.worker.online = False
    world.seconds_between_calls = limits.WORKER_ONLINE_WITHIN + 1
    if harm == "a lost bucket":
        monkeypatch.setenv("EVIDENCE_BUCKET", "lost")
    else:
        world.patch.setattr(General, "get_console_output", console)

    with pytest.raises(WorkerNotStarted, match=r"never registered with SSM\. Check"):
        world.until_done(deploy_worker, planned)

    assert {row.note for row in world.ledger().rows("instance")} == {None}


def test_a_restore_that_closes_launches_nothing(world: World, planned: dict[str, Any]) -> None:
    world.ledger().advance("CLOSING")

    with pytest.raises(RestoreClosed):
        world.invoke(deploy_worker, planned)

    assert instances() == []


def test_the_removal_finds_a_worker_that_the_ledger_does_not_know_by_id(world: World, planned: dict[str, Any]) -> None:
    world.until_done(deploy_worker, planned)
    ledger = world.ledger()
    row = ledger.rows("instance")[0].model_copy(update={"state": "INTENT", "physical_id": None})
    ledger.table.write(ledger.table.put(ledger._item(row)))

    world.until_done(remove_worker, {"plan": {"restoreId": ledger.restore_id}, "cleanUp": True})

    assert [i["State"]["Name"] for i in instances()] == ["terminated"]
    assert boto3.client("ec2").describe_volumes()["Volumes"] == []
    assert ledger.rows("instance")[0].seen_absent_at is not None


def test_a_worker_is_not_called_gone_while_it_shuts_down(world: World, planned: dict[str, Any]) -> None:
    world.until_done(deploy_worker, planned)
    # Its fifteen seconds are hours here, however long a loaded machine takes.
    clock.set_scale(0.001)

    with pytest.raises(NotReady, match="to terminate"):
        world.invoke(remove_worker, planned)

    assert [row.state for row in world.ledger().rows("instance")] == ["CREATED"]
    assert [i["State"]["Name"] for i in instances()] == ["shutting-down"]


def test_the_removal_leaves_instances_of_others_alone(world: World, planned: dict[str, Any]) -> None:
    theirs = boto3.client("ec2").run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    world.until_done(deploy_worker, planned)

    world.until_done(remove_worker, planned)

    living = [i["InstanceId"] for i in instances() if i["State"]["Name"] != "terminated"]
    assert living == [theirs]


def test_throttling_is_something_to_wait_for(world: World, planned: dict[str, Any]) -> None:
    def throttled(*_: Any, **__: Any) -> Any:
        error = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        raise ClientError(error, "GetParameter")

    world.patch.setattr(SimpleSystemManagerBackend, "get_parameter", throttled)

    with pytest.raises(NotReady, match="ThrottlingException"):
        world.invoke(deploy_worker, planned)


def test_the_volume_is_encrypted_with_the_key_that_was_asked_for(world: World) -> None:
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    request = {**REQUEST, "worker": {"kmsKeyId": key}}
    planned = {"plan": plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None)}

    world.until_done(deploy_worker, planned)

    (volume,) = boto3.client("ec2").describe_volumes()["Volumes"]
    assert volume["KmsKeyId"] == key


def test_what_ec2_says_of_the_ends_of_workers_is_told_when_no_other_starts(world: World, planned: dict[str, Any]) -> None:
    end_launches(world, "Server.InternalError", "Internal error on launch")

    with pytest.raises(
        WorkerNotStarted,
        match=r"\(EC2 says: Server.InternalError: Internal error on launch\); what they said while they booted lies below s3://evidence/.*/boot/\.",
    ):
        world.until_done(deploy_worker, planned)

    assert len(instances()) == limits.WORKER_ATTEMPTS


def test_a_worker_that_was_told_to_end_has_no_reason_of_ec2s(world: World, planned: dict[str, Any]) -> None:
    end_launches(world, "Client.UserInitiatedShutdown", "User initiated shutdown")

    with pytest.raises(WorkerNotStarted, match=r"never registered with SSM; what they said"):
        world.until_done(deploy_worker, planned)
