"""The last word: a plan for all databases of the instance's newest restore point. What a restore would be refused for is told here, by the
very code that would refuse it; a plan creates nothing."""

from collections.abc import Iterator

from dbrestore.contract.errors import NotReady, RestoreError, RestorePointNotFound
from dbrestore.points import stored_points
from lambdas.doctor.findings import Check, Outcome, fine, unseen, wrong
from lambdas.doctor.sides import InstanceSide
from lambdas.planning.plan_restore import look_up
from lambdas.runtime.inputs import PlanInput


def plan(patient: InstanceSide) -> Iterator[Outcome]:
    """One outcome per problem of the plan."""
    control = patient.target.control
    s3, bucket = control.surroundings.control.s3, control.surroundings.settings.repository_bucket
    try:
        manifest = stored_points.load(s3, bucket, patient.name)
    except RestorePointNotFound:
        told = "the repository has no restore point of it: a request would have to name source.dbInstance"
        yield unseen(told, patient.name, "add one with dbrestore points add, or plan from another instance's")
        return
    names = [backup.name for backup in manifest.backups]
    target = {"dbInstance": patient.name, "account": control.place.account, "region": control.place.region}
    request = {"target": target, "databases": names, "mode": "plan"}
    try:
        look_up(PlanInput(request=request, execution_arn=control.execution_arn()), control.surroundings)
    except NotReady:
        raise
    except RestoreError as refused:
        yield from (wrong(line, f"{patient.name}/{manifest.point_id}") for line in str(refused).splitlines())
        return
    yield fine(f"{len(names)} database{'s' if len(names) != 1 else ''} of it could be restored here", f"{patient.name}/{manifest.point_id}")


PLAN: Check[InstanceSide] = Check("plan", "a plan of the newest restore point", "do what the finding says", plan, is_vital=True)
