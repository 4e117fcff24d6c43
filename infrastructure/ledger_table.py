"""The ledger's table: it outlives the stack, and nothing deletes it by mistake."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infrastructure import names
from infrastructure.acknowledged import acknowledge


def ledger_table(scope: Construct, prefix: str) -> dynamodb.Table:
    """Two keys and no index (lambdas.runtime.ledger says what lies under them)."""
    table = dynamodb.Table(
        scope,
        "Ledger",
        table_name=names.of(prefix, names.LEDGER_TABLE),
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(point_in_time_recovery_enabled=True),
        deletion_protection=True,
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    acknowledge(
        table, {"CKV_AWS_119": "it holds names and times, no rows and no secrets; DynamoDB encrypts it with AWS' key of the account"}
    )
    return table
