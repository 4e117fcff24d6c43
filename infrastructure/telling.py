"""Who is told of the ends of restores: a topic for people, with one line each. Programs listen on the bus itself."""

from aws_cdk import Aws
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infrastructure import names
from infrastructure.acknowledged import acknowledge

SOURCE = "dbrestore.restore"
ENDS = ("Restore Succeeded", "Restore Failed", "Swap Succeeded", "Swap Failed", "Cleanup Incomplete", "Drill Completed", "Objective Missed")
# An error's name stands in events of failures alone, and a place that an event lacks can't be filled.
STATUSES = {"SUCCEEDED": "", "FAILED": ", {$.detail.error.name}"}
# Words that this application chose, or that AWS or the configuration hold to letters, digits and "-": no names of databases, no messages
# of errors, which may say anything.
LINE = "dbrestore: {$.detail-type}: {$.detail.restoreId} (a {$.detail.mode} into {$.detail.target}): {$.detail.status}"
HOW_TO_READ = ". To read more: dbrestore report {$.detail.restoreId}"


def topic_for_people(scope: Construct, prefix: str, addresses: tuple[str, ...], undelivered: sqs.IQueue) -> sns.Topic:
    """The topic with the rules that fill it; `addresses` get mail once they confirmed."""
    topic = sns.Topic(scope, "Restores", topic_name=names.of(prefix, names.RESTORES), enforce_ssl=True)
    acknowledge(topic, {"CKV_AWS_26": "ids, states and names of errors; EventBridge can't publish through AWS' own key of SNS"})
    for address in addresses:
        topic.add_subscription(subscriptions.EmailSubscription(address))
    for status, error in STATUSES.items():
        events.Rule(
            scope,
            f"Restores{status.capitalize()}",
            description=f"dbrestore: tell people of what ended as {status}",
            event_pattern=events.EventPattern(
                source=[SOURCE], detail_type=list(ENDS), resources=of_installation(prefix), detail={"status": [status]}
            ),
            targets=[targets.SnsTopic(topic, message=line(LINE + error + HOW_TO_READ), dead_letter_queue=undelivered)],
        )
    return topic


def of_installation(prefix: str) -> list[str]:
    """What the resources of this installation's events begin with: another one of the account tells the same bus."""
    machine = names.of(prefix, names.STATE_MACHINE)
    return events.Match.prefix(f"arn:{Aws.PARTITION}:states:{Aws.REGION}:{Aws.ACCOUNT_ID}:execution:{machine}:")


def line(template: str) -> events.RuleTargetInput:
    """The text of a message: `template` has the paths of an event in braces."""
    head, *places = template.split("{")
    filled = [events.EventField.from_path(path) + text for path, _, text in (place.partition("}") for place in places)]
    return events.RuleTargetInput.from_text("".join([head, *filled]))
