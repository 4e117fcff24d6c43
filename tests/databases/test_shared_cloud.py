"""The place that all tests of this folder share outlives the tests of others that run in the same process."""

from moto import mock_aws

from tests.databases.restore_case import EVIDENCE, REPOSITORY, Cloud


def test_a_test_that_begins_with_an_empty_aws_takes_nothing_away(cloud: Cloud) -> None:
    with mock_aws():
        pass

    assert {EVIDENCE, REPOSITORY} <= {bucket["Name"] for bucket in cloud.s3().list_buckets()["Buckets"]}
