"""What a template says of protection is there when the stack is."""

import json

from localcloud.cloud import Cloud

CLOSED = {
    "BlockPublicAcls": True,
    "BlockPublicPolicy": True,
    "IgnorePublicAcls": True,
    "RestrictPublicBuckets": True,
}
KEY = {"AttributeName": "pk", "KeyType": "HASH"}
TEMPLATE = {
    "Resources": {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {"BucketName": "closed-by-its-template", "PublicAccessBlockConfiguration": CLOSED},
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "recoverable-by-its-template",
                "KeySchema": [KEY],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
            },
        },
    }
}


def test_a_template_closes_its_buckets_and_keeps_its_tables_recoverable(cloud: Cloud) -> None:
    cloud.client("cloudformation").create_stack(StackName="protections", TemplateBody=json.dumps(TEMPLATE))

    closed = cloud.client("s3").get_public_access_block(Bucket="closed-by-its-template")
    recoverable = cloud.client("dynamodb").describe_continuous_backups(TableName="recoverable-by-its-template")

    assert closed["PublicAccessBlockConfiguration"] == CLOSED
    recovery = recoverable["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
