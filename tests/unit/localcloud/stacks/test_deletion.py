"""A stack that is deleted takes with it what it made, except what its template keeps."""

import json

from localcloud.cloud import Cloud

TEMPLATE = {
    "Resources": {
        "Kept": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate", "Properties": {"BucketName": "kept-by-its-template"}},
        "Gone": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "gone-with-its-stack"}},
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmName": "rings",
                "ComparisonOperator": "GreaterThanThreshold",
                "EvaluationPeriods": 1,
                "MetricName": "Failures",
                "Namespace": "test",
                "Period": 60,
                "Statistic": "Sum",
                "Threshold": 0,
            },
        },
        "Layer": {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {"S3Bucket": "code-of-layers", "S3Key": "layer.zip"}}},
    }
}


def test_a_change_set_makes_a_stack_whose_end_leaves_only_what_is_kept(cloud: Cloud) -> None:
    s3, formation = cloud.client("s3"), cloud.client("cloudformation")
    s3.create_bucket(Bucket="code-of-layers", CreateBucketConfiguration={"LocationConstraint": cloud.region})
    s3.put_object(Bucket="code-of-layers", Key="layer.zip", Body=b"")
    asked = {"StackName": "short", "ChangeSetName": "first", "ChangeSetType": "CREATE", "TemplateBody": json.dumps(TEMPLATE)}
    formation.execute_change_set(ChangeSetName=formation.create_change_set(**asked)["Id"])
    assert [one["AlarmName"] for one in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]] == ["rings"]
    assert len(cloud.client("lambda").list_layers()["Layers"]) == 1

    formation.delete_stack(StackName="short")

    names = {one["Name"] for one in s3.list_buckets()["Buckets"]}
    assert ("kept-by-its-template" in names, "gone-with-its-stack" in names) == (True, False)
    assert cloud.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert cloud.client("lambda").list_layers()["Layers"] == []
