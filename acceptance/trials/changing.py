"""Trial 7: whether RDS takes a new group list while it backs an instance up, or optimises its storage."""

from botocore.exceptions import ClientError

from acceptance import waiting
from acceptance.made import instances, target_role
from acceptance.trials.trial import Finding, NotTried, Scene, Trial, require
from dbrestore.contract.refusals import error_code

# As RDS writes it: the model's name of the fault, and the code in the answer.
REFUSED = ("InvalidDBInstanceState", "InvalidDBInstanceStateFault")
SEEN_WITHIN, OPTIMISED_WITHIN = 5.0, 30.0
# RDS takes no less than a tenth more.
GROWN_GIB = 22


def _in_each_state(scene: Scene) -> Finding:
    seen = [said for said in (_backing_up(scene), _optimising(scene)) if said]
    if not seen:
        raise NotTried("RDS showed neither `backing-up` nor `storage-optimization` while it was looked at")
    return Finding("; ".join(seen))


def _backing_up(scene: Scene) -> str | None:
    name = scene.postgresql.name
    snapshot = scene.diary.note(instances.SNAPSHOT, f"acceptance-{scene.diary.run}")
    scene.account.client("rds").create_db_snapshot(DBSnapshotIdentifier=snapshot, DBInstanceIdentifier=name)
    said = _asked_in(scene, "backing-up", SEEN_WITHIN)
    scene.postgresql.settle()
    return said


def _optimising(scene: Scene) -> str | None:
    scene.account.client("rds").modify_db_instance(
        DBInstanceIdentifier=scene.postgresql.name, AllocatedStorage=GROWN_GIB, ApplyImmediately=True
    )
    return _asked_in(scene, "storage-optimization", OPTIMISED_WITHIN)


def _asked_in(scene: Scene, status: str, minutes: float) -> str | None:
    """What RDS answers to the group list as it is, in this status; None if it wasn't seen."""
    instance = scene.postgresql
    try:
        waiting.until(lambda: instance.status == status or None, minutes if scene.account.is_aws else 0.05, status)
    except waiting.TookTooLong:
        return None
    rds = target_role.client(scene.session("PairSecurityGroups"), "rds")
    try:
        rds.modify_db_instance(DBInstanceIdentifier=instance.name, VpcSecurityGroupIds=sorted(instance.groups()))
    except ClientError as error:
        require(error_code(error) in REFUSED, f"in {status} RDS answers {error}, which isn't waited for")
        return f"in {status} RDS refuses the group list ({error_code(error)}), which is waited for"
    return f"in {status} RDS takes the group list"


CHANGING = Trial(
    "busy-instance",
    "While RDS backs an instance up or optimises its storage, it takes the group list or says that it is to be tried later.",
    _in_each_state,
)
