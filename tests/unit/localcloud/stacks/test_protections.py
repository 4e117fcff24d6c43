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
        "Kept": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "kept-by-its-template",
                "VersioningConfiguration": {"Status": "Enabled"},
                "LifecycleConfiguration": {
                    "Rules": [
                        {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}, "Status": "Enabled"},
                        {
                            "ExpiredObjectDeleteMarker": True,
                            "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                            "Status": "Enabled",
                        },
                    ]
                },
                "ObjectLockEnabled": True,
                "ObjectLockConfiguration": {
                    "ObjectLockEnabled": "Enabled",
                    "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 35}},
                },
            },
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
    s3, kept = cloud.client("s3"), {"Bucket": "kept-by-its-template"}
    assert s3.get_bucket_versioning(**kept)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(**kept)["Rules"]
    assert [rule.get("NoncurrentVersionExpiration") for rule in rules] == [None, {"NoncurrentDays": 30}]
    lock = s3.get_object_lock_configuration(**kept)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"].items() >= {"Mode": "GOVERNANCE", "Days": 35}.items()
    recovery = recoverable["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
