"""Trial 5: executions are stopped in the seconds in which a worker is launched; no worker is left."""

import time
from collections.abc import Iterator

from acceptance import dumps, restores
from acceptance.restores import Begun
from acceptance.trials.trial import Finding, Scene, Trial, require
from dbrestore.contract.names import INSTALLATION

# Of restores at a time: an instance takes five security groups, and one is its own.
AT_ONCE = 4
# Seconds after DeployWorker began.
LATEST = 5.0


def _many(scene: Scene) -> Finding:
    stops, name = scene.wishes.scale.stops, scene.postgresql.name
    offsets = [LATEST * number / max(1, stops - 1) for number in range(stops)]
    stopped = 0
    for batch in _batches(list(enumerate(offsets))):
        begun = [(restores.begin(scene.plane, name, name, dumps.DATABASE, f"shop_stopped_{number}"), offset) for number, offset in batch]
        stopped += sum(_stop(scene, restore, offset) for restore, offset in begun)
        for restore, _ in begun:
            report = restore.cleaned()
            require(not report.leftovers, f"{report.restore_id} left {', '.join(report.leftovers)}")
    left = [*_instances(scene), *_groups(scene)]
    require(not left, f"left after {stopped} stops: {', '.join(left)}")
    return Finding(f"{stopped} of {stops} executions were stopped 0 to {LATEST:g} s after DeployWorker began; no worker or group is left")


def _stop(scene: Scene, restore: Begun, offset: float) -> bool:
    """Whether it was still running then."""
    phase = restore.reach("DeployWorker")
    if phase is None:
        return False
    time.sleep(max(0.0, phase.started_at.timestamp() + offset - scene.account.now()))
    restore.stop()
    return True


def _batches(all_: list[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    for first in range(0, len(all_), AT_ONCE):
        yield all_[first : first + AT_ONCE]


def _instances(scene: Scene) -> list[str]:
    shown = scene.account.client("ec2").describe_instances(Filters=_ours(scene))
    found = [one for reservation in shown["Reservations"] for one in reservation["Instances"]]
    return [one["InstanceId"] for one in found if one["State"]["Name"] != "terminated"]


def _groups(scene: Scene) -> list[str]:
    found = scene.account.client("ec2").describe_security_groups(Filters=_ours(scene))
    return [one["GroupId"] for one in found["SecurityGroups"]]


def _ours(scene: Scene) -> list[dict[str, object]]:
    return [{"Name": f"tag:{INSTALLATION}", "Values": [scene.account.owner]}]


STOPPING = Trial("stopped", "An execution that is stopped while its worker is launched leaves no worker and no group.", _many)
