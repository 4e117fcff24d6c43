"""Trial 6: how long after RDS calls a security group active its instance can be reached.

The worker of a restore tries from before its groups are paired; AWS-RunShellScript says when it came through.
"""

from typing import Any

from acceptance import dumps, restores, waiting
from acceptance.restores import Begun
from acceptance.sheet import Measurement
from acceptance.trials.trial import Finding, Scene, Trial, require
from dbrestore.contract.names import RESTORE_ID

# Tries for as long as a pairing may take, and writes the moment at which it came through.
SCRIPT = """for i in $(seq 1 4500); do
  if timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}' 2>/dev/null; then date +%s.%N; exit 0; fi
  sleep 0.2
done
exit 1"""
THROUGH_WITHIN = 20.0


def _first_connection(scene: Scene) -> Finding:
    name = scene.postgresql.name
    before = set(scene.postgresql.groups())
    begun = restores.begin(scene.plane, name, name, dumps.DATABASE, "shop_reached")
    try:
        command, worker = _begin_to_try(scene, begun)
        active = waiting.until(lambda: _active_at(scene, before), restores.ENDED_WITHIN, "the restore's group is active")
        through = waiting.until(lambda: _through_at(scene, command, worker), THROUGH_WITHIN, "the worker reached the instance")
    finally:
        scene.reports.append(begun.end())
    seconds = round(through - active, 1)
    measured = Measurement(what="from `active` to the first connection (negative: before)", value=seconds, unit="s")
    return Finding(f"{begun.restore_id}: the first connection came {seconds:g} s after RDS called the group active", (measured,))


def _begin_to_try(scene: Scene, begun: Begun) -> tuple[str, str]:
    """As soon as the worker can be told: ids of the command and of the worker."""
    phase = begun.reach("PairSecurityGroups")
    require(phase is not None, f"{begun.restore_id} ended before it paired its groups")
    endpoint = scene.postgresql.described()["Endpoint"]
    worker = worker_of(scene.account.client("ec2"), begun.restore_id)
    sent = scene.account.client("ssm").send_command(
        InstanceIds=[worker],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": [SCRIPT.format(host=endpoint["Address"], port=endpoint["Port"])]},
    )
    return str(sent["Command"]["CommandId"]), worker


def worker_of(ec2: Any, restore_id: str) -> str:
    """The id of the worker that a restore has at the moment."""
    filters = [{"Name": f"tag:{RESTORE_ID}", "Values": [restore_id]}, {"Name": "instance-state-name", "Values": ["running"]}]
    [reservation] = ec2.describe_instances(Filters=filters)["Reservations"]
    return str(reservation["Instances"][0]["InstanceId"])


def _active_at(scene: Scene, before: set[str]) -> float | None:
    added = {group: status for group, status in scene.postgresql.groups().items() if group not in before}
    return scene.account.now() if added and set(added.values()) == {"active"} else None


def _through_at(scene: Scene, command: str, worker: str) -> float | None:
    found = scene.account.client("ssm").get_command_invocation(CommandId=command, InstanceId=worker)
    require(found["Status"] not in ("Failed", "TimedOut", "Cancelled"), f"the worker's tries ended {found['Status']}")
    return float(found["StandardOutputContent"]) if found["Status"] == "Success" else None


CONNECTING = Trial(
    "first-connection",
    "The worker reaches the instance within moments of RDS calling its security group active.",
    _first_connection,
)
