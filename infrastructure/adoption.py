"""Rules of adoption as rules of EventBridge: each tells a function of what arrives in its bucket, and the clock has it adopted.

Without a rule nothing of this is made. Buckets of other Regions, and of accounts whose events don't come to this bus, are looked at by the
clock alone.
"""

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from dbrestore.contract import keys
from dbrestore.contract.adoption.rules import AdoptionRule
from infrastructure.telling import line

SOURCE = "dbrestore.adoption"
NOT_ADOPTED = "Backups Not Adopted"
# Names and numbers: what a key is called, and what an error says of it, may be anything.
LINE = "dbrestore: {$.detail.count} backups of the rule {$.detail.rule} did not become restore points."
HOW_TO_READ = " To read more: dbrestore points adoptions {$.detail.rule}"
# What would mean something else in the resource of a statement (IAM User Guide, "IAM policy elements: Variables and tags").
_LITERAL = {"$": "${$}", "?": "${?}", "*": "${*}"}


def places(rules: Sequence[AdoptionRule], repository: str) -> dict[str, tuple[str, ...]]:
    """What stands in statements for the buckets that rules name, their keys, and what lies in `repository` of their instances."""
    s3 = f"arn:{Aws.PARTITION}:s3:::"
    points = f"{s3}{repository}/"
    instances = dict.fromkeys(keys.segment(rule.instance) for rule in rules)
    return {
        "adopted_bucket": tuple(dict.fromkeys(f"{s3}{rule.bucket}" for rule in rules)),
        "adopted_files": tuple(dict.fromkeys(f"{s3}{rule.bucket}/{literal(rule.keys.prefix)}" for rule in rules)),
        "adopted_key": tuple(dict.fromkeys(rule.kms_key for rule in rules if rule.kms_key)),
        "adopted_points": tuple(f"{points}{folder}{one}/" for one in instances for folder in ("", ".unfinished/")),
    }


def literal(prefix: str) -> str:
    """The beginning of a key as it stands in the resource of a statement."""
    return "".join(_LITERAL.get(character, character) for character in prefix)


def listening(scope: Construct, rules: Sequence[AdoptionRule], functions: Mapping[str, lambda_.Function], undelivered: sqs.IQueue) -> None:
    """Make the rules of EventBridge."""
    if not rules:
        return
    hearing = targets.LambdaFunction(functions["HearArrival"], dead_letter_queue=undelivered)
    for rule in rules:
        begins = {"object": {"key": events.Match.prefix(rule.keys.prefix)}} if rule.keys.prefix else {}
        events.Rule(
            scope,
            f"Adoption-{rule.name}",
            description=f"dbrestore: note what arrives for the rule of adoption {rule.name}",
            event_pattern=events.EventPattern(
                source=["aws.s3"], detail_type=["Object Created"], detail={"bucket": {"name": [rule.bucket]}, **begins}
            ),
            targets=[hearing],
        )
    events.Rule(
        scope,
        "EveryFiveMinutesArrivals",
        description="dbrestore: make restore points of what has arrived and settled",
        schedule=events.Schedule.rate(Duration.minutes(5)),
        targets=[targets.LambdaFunction(functions["AdoptArrivals"], dead_letter_queue=undelivered)],
    )


def told_to_people(scope: Construct, rules: Sequence[AdoptionRule], topic: sns.ITopic, machine_arn: str, undelivered: sqs.IQueue) -> None:
    """One line to the topic of restores for what could not be adopted."""
    if not rules:
        return
    events.Rule(
        scope,
        "BackupsNotAdopted",
        description="dbrestore: tell people of backups that did not become restore points",
        event_pattern=events.EventPattern(source=[SOURCE], detail_type=[NOT_ADOPTED], resources=[machine_arn]),
        targets=[targets.SnsTopic(topic, message=line(LINE + HOW_TO_READ), dead_letter_queue=undelivered)],
    )
