"""What a run made is removed from its record, and AWS is asked what is left."""

import json
from pathlib import Path

import pytest

from acceptance import removal, scan, tags
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import buckets, instances, roles, stacks
from acceptance.made.kinds import Kind
from dbrestore.contract import names

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:{}"
EC2 = {"Service": "ec2.amazonaws.com"}


@pytest.fixture
def diary(tmp_path: Path, account: TriedAccount) -> Diary:
    return Diary.begin(tmp_path, run="a000001", account=account.number, region=account.here, prefix="trial")


def test_what_cannot_be_removed_is_told_and_the_rest_goes(account: TriedAccount, diary: Diary) -> None:
    buckets.create(account, diary, "made-for-the-run")
    account.client("s3").put_bucket_versioning(Bucket="made-for-the-run", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second"):
        account.client("s3").put_object(Bucket="made-for-the-run", Key="file", Body=body)
    account.client("s3").delete_object(Bucket="made-for-the-run", Key="file")
    diary.note(instances.DB_INSTANCE, "protected")
    account.client("rds").create_db_instance(
        DBInstanceIdentifier="protected",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="somebody",
        MasterUserPassword="not-a-secret",
        DeletionProtection=True,
    )
    roles.create(account, diary, "made-for-the-run", EC2, {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})

    [left] = removal.remove(account, diary)

    assert left.startswith("db-instance protected: ")
    assert {thing.kind: thing.removed_at is None for thing in diary.things} == {"bucket": False, "db-instance": True, "role": False}
    assert account.client("s3").list_buckets()["Buckets"] == []
    assert account.client("iam").list_roles()["Roles"] == []


def test_what_was_noted_and_never_made_is_no_trouble(account: TriedAccount, diary: Diary) -> None:
    for kind in removal.KINDS:
        diary.note(kind, "never-made")

    assert removal.remove(account, diary) == ()
    assert all(thing.removed_at for thing in diary.things)


def test_a_second_removal_does_only_what_is_left(account: TriedAccount, diary: Diary) -> None:
    asked: list[str] = []

    def remove(account: TriedAccount, name: str) -> None:
        asked.append(name)

    kinds = {"thing": Kind(remove, lambda account, name: len(asked) < 2, minutes=0)}
    diary.note("thing", "one")

    assert removal.remove(account, diary, kinds) == ("thing one: still there after 0 minutes",)
    assert removal.remove(account, diary, kinds) == ()
    assert removal.remove(account, diary, kinds) == ()
    assert asked == ["one", "one"]


def test_aws_is_asked_by_tag_whatever_the_record_says(account: TriedAccount) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/24", TagSpecifications=tags.of("vpc", "a000001", "forgotten"))["Vpc"]["VpcId"]

    [found] = scan.left(account, "a000001", minutes=0)
    assert found.endswith(f":vpc/{vpc}")
    assert scan.left(account, "a000002", minutes=0) == ()

    ec2.delete_vpc(VpcId=vpc)
    assert scan.left(account, "a000001", minutes=0) == ()


def test_roles_are_looked_for_too(account: TriedAccount, diary: Diary) -> None:
    roles.create(account, diary, "trial-control-Acceptance", EC2)
    roles.create(account, diary, "acceptance-a000001-backups", EC2)
    account.client("iam").create_role(RoleName="trial-of-somebody", AssumeRolePolicyDocument="{}")

    assert [arn.rpartition("/")[2] for arn in scan.left(account, diary.run, minutes=0)] == [
        "acceptance-a000001-backups",
        "trial-control-Acceptance",
    ]
    assert scan.left(account, "a000002", minutes=0) == ()


def test_things_of_its_restores_are_looked_for_and_those_of_another_installation_are_not(account: TriedAccount) -> None:
    made = {
        name: account.client("ec2").create_security_group(
            GroupName=name, Description="x", TagSpecifications=[{"ResourceType": "security-group", "Tags": [bearing(name)]}]
        )["GroupId"]
        for name in ("trial", "dbrestore")
    }

    [found] = scan.left(account, "a000001", minutes=0)

    assert found.endswith(f":security-group/{made['trial']}")


def test_restores_of_another_installation_are_not_looked_at(account: TriedAccount, diary: Diary) -> None:
    """Its state machine isn't there, so to ask for its executions would be an error, and told."""
    places = {"stateMachineArn": MACHINE.format("dbrestore"), "ledgerTable": "x", "repositoryBucket": "x", "evidenceBucket": "x"}
    account.client("ssm").put_parameter(Name="/dbrestore/control", Value=json.dumps(places), Type="String")

    assert removal.remove(account, diary) == ()

    account.client("ssm").put_parameter(Name="/trial/control", Value=json.dumps(places), Type="String")
    [told] = removal.remove(account, diary)
    assert "ListExecutions" in told


def test_log_groups_of_another_installation_stay(account: TriedAccount, diary: Diary) -> None:
    logs = account.client("logs")
    for name in ("trial-PlanRestore", "trial-of-somebody", "dbrestore-PlanRestore"):
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
    diary.note(stacks.LOGS, "trial")

    assert removal.remove(account, diary) == ()
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == [
        "/aws/lambda/dbrestore-PlanRestore",
        "/aws/lambda/trial-of-somebody",
    ]


def bearing(prefix: str) -> dict[str, str]:
    return {"Key": names.INSTALLATION, "Value": names.installation(MACHINE.format(prefix))}


def test_a_terminated_instance_is_not_left(account: TriedAccount) -> None:
    ec2 = account.client("ec2")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    tagged = tags.of("instance", "a000001", "helper")
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tagged)["Instances"][0]["InstanceId"]
    assert len(scan.left(account, "a000001", minutes=0)) == 1

    ec2.terminate_instances(InstanceIds=[instance])
    # At once by moto itself; not where another test of this process has taught it how EC2 ends instances.
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 120})

    assert scan.left(account, "a000001", minutes=0) == ()
