"""Steps 2 and 6: the worker, an EC2 instance near the target, and its removal.

Each attempt to launch it is a ledger row with a token of its own, so a launch whose answer was lost is found and not repeated. The row is
DELETED only after EC2 showed the instance as terminated, and no volume or interface of it any more. Not to see an instance proves nothing
for minutes: EC2 may not show yet what runs, and refuse to terminate it as unknown.
"""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import keys, limits, names
from dbrestore.contract.anchor import Anchor, Whereabouts
from dbrestore.contract.errors import NotReady, WorkerNotStarted, WorkerVolumeRefused
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sections import WorkerSection
from dbrestore.contract.things import INSTANCE
from dbrestore.ledger.stored_rows import Status
from lambdas.runtime.aws import TargetAccount
from lambdas.runtime.inputs import PlannedInput, RemoverInput
from lambdas.runtime.state import Restore, state
from lambdas.runtime.telemetry import log
from lambdas.worker import agent, boot_log
from lambdas.worker.shown_instances import ALIVE, ENDING, all_shown, described, end, find, launch_token

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

BOOT_SCRIPT = Path(__file__).with_name("worker_boot.sh")
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
# How the StateReason begins of an instance whose volume couldn't be made (Amazon EC2 User Guide, "Troubleshoot Amazon EC2 instance launch
# issues"): another zone has the same key and the same quota.
VOLUME_REFUSED = ("Client.InternalError", "Client.InvalidKMSKey", "Client.VolumeLimitExceeded", "Client.InvalidSnapshot")
# Of one that was told to end, by us or by its own timer.
BY_REQUEST = ("Client.UserInitiatedShutdown", "Client.InstanceInitiatedShutdown")
# In the note of a row, before the URI of the console's text.
CONSOLE = "what it said while it booted: "
NO_CAPACITY = {
    "InsufficientFreeAddressesInSubnet",
    "InsufficientHostCapacity",
    "InsufficientInstanceCapacity",
    "MaxSpotInstanceCountExceeded",
    "Unsupported",
}


@state("DeployWorker", PlannedInput, makes=True)
def deploy_worker(section: PlannedInput, restore: Restore) -> WorkerSection:
    """The worker, running and registered with SSM."""
    return WorkerSection(instance_id=deploy(restore, section.plan, "worker"))


def deploy(restore: Restore, where: Whereabouts, role: str, while_: Status = "RUNNING", attempts: int = limits.WORKER_ATTEMPTS) -> str:
    """Make sure that a worker of this role runs; its instance id. Raises NotReady, WorkerNotStarted, WorkerVolumeRefused."""
    if isinstance(where, Anchor):
        where.require("worker.launches", "worker.instance_profile_arn", "worker.program_uri", "worker.max_run_minutes")
    target = restore.target(where)
    for attempt in range(1, attempts + 1):
        row = restore.ledger.intend(INSTANCE, role, names.resource_name(where.restore_id, f"{role}-{attempt}"), while_)
        if row.state == "DELETED":
            continue
        instance_id = row.physical_id or _launch(target, where, role, attempt, row.name)
        if instance_id is None:
            restore.ledger.deleted(row, "EC2 had no capacity: nothing was launched")
            continue
        row = restore.ledger.created(row, instance_id) if row.state == "INTENT" else row
        found = described(target.ec2, instance_id)
        if _is_ready(restore, target, row, found):
            return instance_id
        if found:
            _ended(restore, target.ec2, row, found)
    raise WorkerNotStarted(
        f"No worker started in {attempts} attempts ({where.worker.first.instance_type} in {where.worker.first.subnet_id} first): EC2 had "
        f"no capacity, or the instance never registered with SSM{_told_ends(restore)}. Check its way to the SSM endpoints (dbrestore "
        "worker-config check), or ask for another worker.subnetId or worker.instanceType"
    )


def _ended(restore: Restore, ec2: "EC2Client", row: ResourceRow, found: "InstanceTypeDef") -> None:
    """Settle a worker that is gone, with what EC2 says about its end. Raises WorkerVolumeRefused if another would end so too."""
    reason = found.get("StateReason", {})
    code, told = reason.get("Code", ""), reason.get("Message", "")
    console = boot_log.keep(restore, ec2, row.physical_id or "")
    ends = ("" if code in BY_REQUEST else told, f"{CONSOLE}{console}" if console else "")
    restore.ledger.deleted(row, "; ".join(filter(None, ends)) or None)
    if code.startswith(VOLUME_REFUSED):
        raise WorkerVolumeRefused(
            f"EC2 ended the worker {row.physical_id} while it was launched ({told}), and would do so in every zone. Mostly its volume's "
            "KMS key is disabled, or its policy doesn't let the target role use it: see the key of worker.kmsKeyId or of the image, or "
            "the account's default for EBS (dbrestore doctor)"
        )


def _told_ends(restore: Restore) -> str:
    """EC2's reasons, each once, and where the consoles' texts lie."""
    notes = [row.note for row in restore.ledger.rows(INSTANCE) if row.physical_id and row.note]
    reasons = dict.fromkeys(filter(None, (note.partition(CONSOLE)[0].removesuffix("; ") for note in notes)))
    consoles = [note.partition(CONSOLE)[2].rpartition("/")[0] for note in notes if CONSOLE in note]
    told = f" (EC2 says: {'; '.join(reasons)})" if reasons else ""
    return f"{told}; what they said while they booted lies below {consoles[0]}/" if consoles else told


def _launch(target: TargetAccount, where: Whereabouts, role: str, attempt: int, name: str) -> str | None:
    # A launch whose answer was lost is usually visible by its name; its token covers the seconds in which it is not.
    for instance in find(target.ec2, where.restore_id):
        if names.tag(instance, "Name") == name:
            return instance["InstanceId"]
    request = launch_request(where, role, attempt, name, where.worker.image_id or newest_image(target))
    try:
        return target.ec2.run_instances(**request)["Instances"][0]["InstanceId"]
    except ClientError as error:
        if error_code(error) in NO_CAPACITY:
            log.warning("attempt %d: %s", attempt, error)
            return None
        if error_code(error) == "IdempotentParameterMismatch":
            raise NotReady(f"waiting for EC2 to show the instance {name}, which was launched already") from error
        raise


def launch_request(where: Whereabouts, role: str, attempt: int, name: str, image: str) -> dict[str, Any]:
    """RunInstances' parameters for one attempt."""
    launches = where.worker.launches
    launch = launches[(attempt - 1) % len(launches)]
    tags = names.tags(where, role, name)
    disk: dict[str, Any] = {"VolumeSize": where.worker.volume_gib, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    if where.worker.kms_key_id:
        disk["KmsKeyId"] = where.worker.kms_key_id
    interface = {
        "DeviceIndex": 0,
        "SubnetId": launch.subnet_id,
        "Groups": list(where.worker.security_group_ids),
        "AssociatePublicIpAddress": False,
        "DeleteOnTermination": True,
    }
    return {
        "ClientToken": names.client_token(where.restore_id, role, attempt),
        "MinCount": 1,
        "MaxCount": 1,
        "ImageId": image,
        "InstanceType": launch.instance_type,
        "IamInstanceProfile": {"Arn": where.worker.instance_profile_arn},
        "NetworkInterfaces": [interface],
        "BlockDeviceMappings": [{"DeviceName": where.worker.root_device, "Ebs": disk}],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
        "InstanceInitiatedShutdownBehavior": "terminate",
        "UserData": _boot_script(where),
        "TagSpecifications": [{"ResourceType": t, "Tags": tags} for t in ("instance", "volume", "network-interface")],
    }


def _boot_script(where: Whereabouts) -> str:
    # Nothing that could be more than a value reaches the script: the proxy's URL has a strict pattern, hosts and numbers are our own.
    bucket = where.worker.program_uri.removeprefix("s3://").partition("/")[0]
    return Template(BOOT_SCRIPT.read_text()).substitute(
        program_uri=where.worker.program_uri,
        max_minutes=where.worker.max_run_minutes + limits.DEAD_MAN_MARGIN_MINUTES,
        region=keys.region_of(bucket) or where.target.region,
        proxy=where.worker.proxy or "",
        no_proxy=",".join(where.worker.no_proxy),
    )


def newest_image(target: TargetAccount) -> str:
    """The id of Amazon Linux's newest image in the target's Region."""
    return target.ssm.get_parameter(Name=IMAGE_PARAMETER)["Parameter"]["Value"]


def _is_ready(restore: Restore, target: TargetAccount, row: ResourceRow, found: "InstanceTypeDef | None") -> bool:
    """True when it is registered, False when it is gone for good; NotReady between."""
    instance_id = row.physical_id or ""
    age = (restore.now() - (row.created_at or row.intended_at)).total_seconds()
    if found is None:
        _missed(restore, target.ec2, row, age)
        return False
    status = found["State"]["Name"]
    if status == "terminated":
        return False
    restore.ledger.found(row)
    # First of all: when the flow comes back here from the archive, the worker is hours old and may be at work.
    if status == "running" and agent.is_online(target, instance_id):
        if told := agent.remark(agent.version(target, instance_id)):
            log.warning("%s: %s", instance_id, told)
        return True
    if status in ALIVE and age > limits.WORKER_ONLINE_WITHIN:
        # While it runs EC2 may have its newest words; afterwards those up to the end.
        boot_log.keep(restore, target.ec2, instance_id)
        end(target.ec2, instance_id)
        raise NotReady(f"waiting for {instance_id} to end: SSM does not reach it")
    if status not in (*ALIVE, *ENDING):
        # Stopped by somebody: started again it would be a second worker beside the one that takes its place.
        end(target.ec2, instance_id)
    raise NotReady(f"waiting for {instance_id} ({status}) to run and to register with SSM")


def _missed(restore: Restore, ec2: "EC2Client", row: ResourceRow, age: float) -> None:
    """EC2 doesn't show it: settled when that proves that it is gone. Raises NotReady."""
    if age > restore.bounds.shown_within:
        # If it is there after all, it must not stay.
        end(ec2, row.physical_id or "")
    restore.ledger.missed(row)


@state("RemoveWorker", RemoverInput)
def remove_worker(section: RemoverInput, restore: Restore) -> None:
    """Every worker of the restore, with its volumes and interfaces, gone and seen absent."""
    restore.ledger.advance("CLOSING")
    where = restore.ledger.meta().anchor
    rows = restore.ledger.unsettled(INSTANCE)
    ec2 = restore.target(where).ec2
    shown = _terminate(ec2, where.restore_id, rows)
    _delete_volumes(ec2, where.restore_id)
    _delete_interfaces(ec2, where.restore_id)
    for row in rows:
        _settle(restore, row, shown)


def _terminate(ec2: "EC2Client", restore_id: str, rows: tuple[ResourceRow, ...]) -> "dict[str, InstanceTypeDef]":
    """What EC2 shows of them when none of it is alive. Raises NotReady."""
    before = all_shown(ec2, restore_id, rows)
    for instance_id in before.keys() | {row.physical_id for row in rows if row.physical_id}:
        # One by one: a single unknown id in the list and EC2 terminates none of them. What it does not show may run all the same.
        if instance_id not in before or before[instance_id]["State"]["Name"] not in ENDING:
            end(ec2, instance_id)
    shown = all_shown(ec2, restore_id, rows)
    if left := sorted(i for i, instance in shown.items() if instance["State"]["Name"] != "terminated"):
        raise NotReady(f"waiting for {', '.join(left)} to terminate")
    return shown


def require_gone(restore: Restore, ec2: "EC2Client", row: ResourceRow) -> None:
    """That a worker is not to be seen doesn't let another take its place. The ledger says it when it is gone. Raises NotReady."""
    shown = all_shown(ec2, restore.ledger.restore_id, [row])
    if living := [i for i, instance in shown.items() if i == row.physical_id and instance["State"]["Name"] != "terminated"]:
        raise NotReady(f"waiting for {living[0]} to terminate")
    _settle(restore, row, shown)


def _settle(restore: Restore, row: ResourceRow, shown: "Mapping[str, InstanceTypeDef]") -> None:
    """Gone is what was seen terminated; what was not seen at all is so only later."""
    token = None if row.physical_id else launch_token(restore.ledger.restore_id, row)
    seen = [i for i, instance in shown.items() if i == row.physical_id or instance.get("ClientToken") == token]
    if seen:
        restore.ledger.deleted(row.model_copy(update={"physical_id": seen[0]}))
    else:
        restore.ledger.missed(row)


def _delete_volumes(ec2: "EC2Client", restore_id: str) -> None:
    volumes = ec2.describe_volumes(Filters=names.tagged(restore_id))["Volumes"]
    for volume in volumes:
        if volume["State"] == "available":
            ec2.delete_volume(VolumeId=volume["VolumeId"])
    if volumes:
        raise NotReady(f"waiting for {', '.join(volume['VolumeId'] for volume in volumes)} to be deleted")


def _delete_interfaces(ec2: "EC2Client", restore_id: str) -> None:
    interfaces = ec2.describe_network_interfaces(Filters=names.tagged(restore_id))["NetworkInterfaces"]
    for interface in interfaces:
        if interface["Status"] == "available":
            ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    if interfaces:
        raise NotReady(f"waiting for {', '.join(i['NetworkInterfaceId'] for i in interfaces)} to be deleted")
