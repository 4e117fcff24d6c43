"""The declared drills as schedules of EventBridge Scheduler: each starts the state machine with its name, in its time zone.

Without a declared drill nothing of this is made. Scheduler delivers at least once, so the input carries the schedule and the time that was
meant: together they are one drill, however often it is delivered.
"""

from collections.abc import Sequence

from aws_cdk import Aws, Duration, RemovalPolicy, TimeZone
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from dbrestore.contract.drills import Drill, DrillSchedule, schedule_group
from infrastructure import names
from infrastructure.alarms import undelivered

# A drill that can't be started within an hour is missed: it would run at a time that nobody meant.
RETRIES = 2
GIVEN_UP_AFTER = Duration.hours(1)


def scheduled(scope: Construct, prefix: str, declared: Sequence[Drill], machine: sfn.IStateMachine) -> sqs.Queue | None:
    """A schedule for each drill; `prefix`: the installation's. Returns the queue of what could not be delivered, None without a drill."""
    if not declared:
        return None
    group = scheduler.ScheduleGroup(scope, "Drills", schedule_group_name=schedule_group(prefix), removal_policy=RemovalPolicy.DESTROY)
    queue = undelivered(scope, prefix, "UndeliveredDrills", names.UNDELIVERED_DRILLS)
    role = _role(scope, prefix, group)
    for drill in declared:
        target = targets.StepFunctionsStartExecution(
            machine,
            input=scheduler.ScheduleTargetInput.from_object({"drill": _order(drill)}),
            role=role,
            dead_letter_queue=queue,
            retry_attempts=RETRIES,
            max_event_age=GIVEN_UP_AFTER,
        )
        made = _schedule(scope, drill, group, target)
        # What its role may do is a resource of its own: else the first start could come before it.
        made.node.add_dependency(role)
    return queue


def _order(drill: Drill) -> dict[str, str]:
    attribute = scheduler.ContextAttribute
    return {"name": drill.name, "scheduleArn": str(attribute.schedule_arn), "scheduledTime": str(attribute.scheduled_time)}


def _schedule(scope: Construct, drill: Drill, group: scheduler.ScheduleGroup, target: scheduler.IScheduleTarget) -> scheduler.Schedule:
    return scheduler.Schedule(
        scope,
        f"Drill-{drill.name}",
        schedule_name=drill.name,
        schedule_group=group,
        description=f"dbrestore: drill {drill.name} of {drill.source.db_instance}",
        schedule=scheduler.ScheduleExpression.expression(drill.schedule.expression, TimeZone.of(drill.schedule.time_zone)),
        time_window=_window(drill.schedule),
        target=target,
    )


def _window(schedule: DrillSchedule) -> scheduler.TimeWindow:
    if not schedule.flexible_minutes:
        return scheduler.TimeWindow.off()
    return scheduler.TimeWindow.flexible(Duration.minutes(schedule.flexible_minutes))


def _role(scope: Construct, prefix: str, group: scheduler.ScheduleGroup) -> iam.Role:
    """For the schedules of this group alone: those of another account or group can't borrow it (EventBridge Scheduler User Guide, "Confused
    deputy prevention": the ARN is the group's)."""
    conditions = {
        "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
        "ArnEquals": {"aws:SourceArn": group.schedule_group_arn},
    }
    return iam.Role(
        scope,
        "SchedulerRole",
        role_name=f"{names.of(prefix, names.SCHEDULER_ROLE)}-{Aws.REGION}",
        description="dbrestore: with which schedules start drills",
        assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=conditions),
    )
