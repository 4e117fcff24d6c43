"""A native backup of a database in the run's own SQL Server, taken by RDS.

SQL Server alone can write one, and no way leads into the VPC but SSM: so an instance is launched as a worker is, with the worker's program
and role, and runs `acceptance.made.on_helper`.
"""

import json
import shlex
from pathlib import Path
from typing import Any

from acceptance import restores, tags, waiting
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import buckets, network, roles
from acceptance.made.instances import Instance
from acceptance.made.kinds import Kind
from acceptance.made.network import Network
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.names import CA_BUNDLE_KEY
from lambdas.worker import instance as worker

HELPER = "helper"
DATABASE = "orders"
PORT = 1433
ONLINE_WITHIN, BACKED_UP_WITHIN = 15.0, 40.0
# What RDS needs to write a backup (Amazon RDS User Guide, "Setting up for native backup and restore").
ON_BUCKET = ("s3:ListBucket", "s3:GetBucketLocation")
ON_OBJECTS = ("s3:GetObjectAttributes", "s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload")
# Waits for the program as a job does (dbrestore.contract.deployed.job_document), and runs Python as the program's own `run` does.
SCRIPT = """home="${{DBRESTORE_HOME:-/opt/dbrestore}}"
for try in $(seq 1 600); do
  if [ -e "$home/.failed" ]; then cat "$home/.failed" >&2; exit 69; fi
  if [ -e "$home/.ready" ]; then break; fi
  sleep 1
done
export AWS_DEFAULT_REGION={region} PYTHONPATH="$home"
"${{DBRESTORE_PYTHON:-python3.11}}" -P -S -s - {arguments} <<'PROGRAM'
{program}
PROGRAM"""


class NoBackup(Exception):
    """The message has what the helper said."""


def create(plane: ControlPlane, diary: Diary, where: Network, instance: Instance, planned_for: str, folder: Path) -> Path:
    """A full backup in this folder. `planned_for`: an instance with a restore point, whose plan says what a worker is like. Raises
    NoBackup, waiting.TookTooLong."""
    account = instance.account
    bucket = buckets.create(account, diary, f"dbrestore-acceptance-{diary.run}-{account.number}")
    statements = (
        _allow(ON_BUCKET, f"arn:{account.partition}:s3:::{bucket}"),
        _allow(ON_OBJECTS, f"arn:{account.partition}:s3:::{bucket}/*"),
    )
    with roles.allowed(account, str(instance.role), *statements):
        helper = _launch(account, plane, diary, where, planned_for)
        _run(account, helper, plane, instance, f"arn:{account.partition}:s3:::{bucket}/{DATABASE}.bak")
    path = folder / f"{DATABASE}.bak"
    account.client("s3").download_file(bucket, path.name, str(path))
    return path


def _allow(actions: tuple[str, ...], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _launch(account: TriedAccount, plane: ControlPlane, diary: Diary, where: Network, planned_for: str) -> str:
    """The id of an instance that SSM reaches, and that reaches SQL Server."""
    ec2 = account.client("ec2")
    group = network.create_group(ec2, diary.run, where.vpc, HELPER)
    rule = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": [{"GroupId": group}]}
    waiting.known(ec2.authorize_security_group_ingress, GroupId=where.group, IpPermissions=[rule])
    plan = restores.planned(plane, planned_for)
    image = plan.worker.image_id or account.client("ssm").get_parameter(Name=worker.IMAGE_PARAMETER)["Parameter"]["Value"]
    asked = worker.launch_request(plan, HELPER, 1, HELPER, image)
    asked["NetworkInterfaces"][0]["Groups"].append(group)
    # Not a worker's tags: it belongs to no restore, and nothing of the product's may take it away.
    asked["TagSpecifications"] = [*tags.of("instance", diary.run, HELPER), *tags.of("volume", diary.run, HELPER)]
    diary.note(HELPER, diary.run)
    helper = str(waiting.known(ec2.run_instances, **asked)["Instances"][0]["InstanceId"])
    waiting.until(lambda: _is_online(account, helper), ONLINE_WITHIN, f"SSM reaches {helper}")
    return helper


def _is_online(account: TriedAccount, helper: str) -> bool:
    wanted = [{"Key": "InstanceIds", "Values": [helper]}]
    found = account.client("ssm").describe_instance_information(Filters=wanted)["InstanceInformationList"]
    return any(one["PingStatus"] == "Online" for one in found)


def _run(account: TriedAccount, helper: str, plane: ControlPlane, instance: Instance, backup: str) -> None:
    described, ssm = instance.described(), account.client("ssm")
    endpoint, secret = described["Endpoint"], described["MasterUserSecret"]["SecretArn"]
    bundle = f"s3://{plane.evidence_bucket}/{CA_BUNDLE_KEY}"
    words = (secret, endpoint["Address"], str(endpoint["Port"]), bundle, DATABASE, backup)
    text = SCRIPT.format(region=account.here, arguments=shlex.join(words), program=Path(__file__).with_name("on_helper.py").read_text())
    sent = ssm.send_command(InstanceIds=[helper], DocumentName="AWS-RunShellScript", Parameters={"commands": text.splitlines()})
    command = sent["Command"]["CommandId"]
    found = waiting.until(lambda: _ended(ssm, command, helper), BACKED_UP_WITHIN, "the backup is taken")
    if found["Status"] != "Success":
        raise NoBackup(f"The helper ended {found['Status']}: {json.dumps(found['StandardErrorContent'][-500:])}")


def _ended(ssm: Any, command: str, helper: str) -> dict[str, Any] | None:
    found: dict[str, Any] = waiting.known(ssm.get_command_invocation, CommandId=command, InstanceId=helper)
    return found if found["Status"] in ("Success", "Failed", "TimedOut", "Cancelled") else None


def _remove(account: TriedAccount, run: str) -> None:
    found = _alive(account, run)
    if found:
        account.client("ec2").terminate_instances(InstanceIds=found)


def _exists(account: TriedAccount, run: str) -> bool:
    return bool(_alive(account, run))


def _alive(account: TriedAccount, run: str) -> list[str]:
    shown = account.client("ec2").describe_instances(Filters=tags.filters(run))
    found = [one for reservation in shown["Reservations"] for one in reservation["Instances"]]
    return [one["InstanceId"] for one in found if one["State"]["Name"] != "terminated"]


KINDS = {HELPER: Kind(_remove, _exists)}
