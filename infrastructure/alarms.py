"""Who is told when: one topic, and an alarm for everything that nobody would see otherwise.

Alarms are set on the project's own metrics and not on Lambda's `Errors`: a state that waits raises NotReady, so that Step Functions' Retry
comes back, and Lambda counts that as an error (docs/decisions.md says why it stays so). The sweeper never waits; its errors are errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infrastructure import names
from infrastructure.acknowledged import acknowledge

# EventBridge and Lambda keep what they could not deliver for as long as SQS does (its longest retention).
KEPT = Duration.days(14)
SOON = Duration.minutes(5)
SWEEPS_MISSED = Duration.minutes(15)


def undelivered(scope: Construct, prefix: str, id_: str = "Undelivered", name: str = names.UNDELIVERED) -> sqs.Queue:
    """Where events end that no function could take: the bus' after its attempts, Lambda's after its own. Another `name` is for what another
    service could not deliver."""
    queue = sqs.Queue(
        scope,
        id_,
        queue_name=names.of(prefix, name),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=KEPT,
        removal_policy=RemovalPolicy.DESTROY,
    )
    of_its_own = "events of AWS, which hold names; SQS encrypts them with a key of its own"
    acknowledge(queue, {"SQS3": "it is where events end that nobody could take", "CKV_AWS_27": of_its_own})
    return queue


def undelivered_of_lambda(scope: Construct, functions: Mapping[str, lambda_.Function], queue: sqs.IQueue) -> None:
    """What the bus calls, by its state, runs asynchronously: Lambda answers at once, tries twice more after an error, and then drops the
    event. This keeps it in the queue."""
    for state, function in functions.items():
        lambda_.CfnEventInvokeConfig(
            scope,
            f"{state}Undelivered",
            function_name=function.function_name,
            qualifier="$LATEST",
            destination_config=lambda_.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lambda_.CfnEventInvokeConfig.OnFailureProperty(destination=queue.queue_arn)
            ),
        )


@dataclass(frozen=True)
class Watched:
    """What alarms are set on. `prefix`: the installation's, and the namespace of its own metrics. `undelivered_drills` is None without
    scheduled drills, `undelivered_answers` without answers. `adopts`: whether there is a rule of adoption."""

    prefix: str
    machine: sfn.StateMachine
    sweeper: lambda_.Function
    undelivered: sqs.Queue
    undelivered_drills: sqs.Queue | None = None
    undelivered_answers: sqs.Queue | None = None
    adopts: bool = False


def alarms(scope: Construct, watched: Watched, addresses: tuple[str, ...]) -> sns.Topic:
    """The topic and all alarms; `addresses` get mail once they confirmed. Its messages name alarms and numbers, nothing of a restore."""
    topic = sns.Topic(scope, "Alarms", topic_name=names.of(watched.prefix, names.ALARMS), enforce_ssl=True)
    acknowledge(topic, {"CKV_AWS_26": "names of alarms and numbers; CloudWatch can't publish through AWS' own key of SNS"})
    # A policy of its own replaces the one that every topic is born with, by which alarms of the account may publish.
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
        )
    )
    for address in addresses:
        topic.add_subscription(subscriptions.EmailSubscription(address))
    ring = actions.SnsAction(topic)
    for name, metric, description in _more_than_none(watched):
        _alarm(scope, watched.prefix, name, metric, description).add_alarm_action(ring)
    _nobody_sweeps(scope, watched).add_alarm_action(ring)
    return topic


def _more_than_none(watched: Watched) -> tuple[tuple[str, cloudwatch.IMetric, str], ...]:
    """Each rings at the first."""
    return (
        ("RestoreFailed", _own(watched.prefix, "FailedRestores"), "A restore that had begun ended FAILED: its report says why"),
        ("DrillFailed", _own(watched.prefix, "FailedDrills"), "A drill didn't pass, or couldn't begin: its report, or the list, says why"),
        ("DrillsSkipped", _own(watched.prefix, "DrillsSkippedInARow"), "A drill was skipped twice in a row: the one before it still ran"),
        ("Leftovers", _own(watched.prefix, "Leftovers"), "A restore left something behind that wasn't seen absent: its report names it"),
        ("FunctionFailed", _own(watched.prefix, "UnexpectedErrors"), "A function met an error that has no name: a bug, see its log"),
        ("RestoreTimedOut", watched.machine.metric_timed_out(period=SOON), "An execution ran into the state machine's time limit"),
        ("SweeperFailed", watched.sweeper.metric_errors(period=SOON), "SweepLedger fails: interrupted restores aren't cleaned up"),
        ("EvidenceFailed", _own(watched.prefix, "EvidenceFailures"), "A restore's evidence or its page was not made: its report says why"),
        (
            "Strays",
            _own(watched.prefix, "Strays"),
            "Something with this installation's tags belongs to no open restore: dbrestore cleanup --dry-run lists it",
        ),
        (
            "Undelivered",
            _waiting_in(watched.undelivered),
            "An event that wakes a function could not be delivered: the message in the queue says which",
        ),
        *_of_adoption(watched),
        *_of_a_queue("UndeliveredDrills", watched.undelivered_drills, "A drill's schedule could not start the state machine"),
        *_of_a_queue("UndeliveredAnswers", watched.undelivered_answers, "A ticket, a chat or an on-call service could not be told"),
    )


def _of_adoption(watched: Watched) -> tuple[tuple[str, cloudwatch.IMetric, str], ...]:
    told = "Backups that arrived did not become restore points: dbrestore points adoptions says which, and why"
    return (("BackupsNotAdopted", _own(watched.prefix, "BackupsNotAdopted"), told),) if watched.adopts else ()


def _of_a_queue(name: str, queue: sqs.Queue | None, told: str) -> tuple[tuple[str, cloudwatch.IMetric, str], ...]:
    return ((name, _waiting_in(queue), f"{told}: the message in the queue says which, and why"),) if queue else ()


def _waiting_in(queue: sqs.Queue) -> cloudwatch.Metric:
    return queue.metric_approximate_number_of_messages_visible(period=SOON, statistic="Maximum")


def _own(prefix: str, name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(namespace=prefix, metric_name=name, period=SOON, statistic="Sum")


def _alarm(scope: Construct, prefix: str, name: str, metric: cloudwatch.IMetric, description: str) -> cloudwatch.Alarm:
    return cloudwatch.Alarm(
        scope,
        f"{name}Alarm",
        alarm_name=f"{prefix}-{name}",
        alarm_description=f"dbrestore: {description}",
        metric=metric,
        threshold=0,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        # No value means that nothing happened.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def _nobody_sweeps(scope: Construct, watched: Watched) -> cloudwatch.Alarm:
    return cloudwatch.Alarm(
        scope,
        "NobodySweepsAlarm",
        alarm_name=f"{watched.prefix}-NobodySweeps",
        alarm_description="dbrestore: SweepLedger, which runs every five minutes, didn't run: interrupted restores aren't cleaned up",
        metric=watched.sweeper.metric_invocations(period=SWEEPS_MISSED),
        threshold=1,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
