"""The contract of the fixed option groups: when the option that lets RDS restore backups is in effect, and what its role may read."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytds
import pytest

from localcloud.base import certificates, clock
from localcloud.rds import database_servers, option_groups
from localcloud.s3 import objects as s3
from tests.unit.localcloud.conftest import KEYS
from tests.unit.localcloud.ec2.test_instances import wait_for
from tests.unit.localcloud.ec2.test_security_groups import refusal
from tests.unit.localcloud.rds.test_instances import describe
from tests.unit.localcloud.rds.test_sqlserver import authority, create, databases, free_storage, log_in, rows
from tests.unit.points.sqlserver.backups import Written, backup

__all__ = ["authority", "databases"]  # fixtures

REGION = KEYS["AWS_REGION"]
RESTORE = "exec msdb.dbo.rds_restore_database @restore_db_name=%s, @s3_arn_to_restore_from=%s"
STATUS = "exec msdb.dbo.rds_task_status"
TRUST: dict[str, Any] = {
    "Effect": "Allow",
    "Principal": {"Service": "rds.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
PREFIX = "r-0123/1/"


@pytest.fixture(scope="module")
def role(endpoint: str) -> str:
    return new_role()


@pytest.fixture(scope="module")
def options(databases: Any, role: str) -> str:
    """The name of an option group with the option and the role."""
    name = new_group(databases)
    include(databases, name, role)
    return name


@pytest.fixture
def bucket(endpoint: str, home: Path) -> str:
    """A bucket with a backup under the prefix that nobody's policy opens; big enough to be kept in a file."""
    s3.install(home)
    name = f"staging-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    boto3.client("s3").put_object(Bucket=name, Key=f"{PREFIX}s-01.bak", Body=backup(Written(pages=3000)))
    return name


@pytest.fixture(scope="module")
def target(databases: Any, options: str) -> str:
    return create(databases, OptionGroupName=options)


def new_role(*trust: dict[str, Any]) -> str:
    name = f"backups-{uuid.uuid4().hex}"
    made = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document(*(trust or [TRUST])))
    return str(made["Role"]["Arn"])


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def new_group(databases: Any, version: str = "15.00") -> str:
    name = f"options-{uuid.uuid4().hex}"
    databases.create_option_group(
        OptionGroupName=name, EngineName="sqlserver-se", MajorEngineVersion=version, OptionGroupDescription="of a test"
    )
    return name


def include(databases: Any, name: str, role: str, *, immediately: bool = True) -> None:
    option = {"OptionName": option_groups.OPTION, "OptionSettings": [{"Name": option_groups.ROLE, "Value": role}]}
    databases.modify_option_group(OptionGroupName=name, OptionsToInclude=[option], ApplyImmediately=immediately)


def membership(databases: Any, name: str) -> dict[str, str]:
    return {one["OptionGroupName"]: one["Status"] for one in describe(databases, name)["OptionGroupMemberships"]}


def open_to(bucket: str, *statements: dict[str, Any]) -> None:
    boto3.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(*statements))


def reading(bucket: str, role: str) -> list[dict[str, Any]]:
    """As the temporary bucket's policy lets a restore's role read."""
    arn, may = f"arn:aws:s3:::{bucket}", {"Effect": "Allow", "Principal": {"AWS": role}}
    prefix = {"StringLikeIfExists": {"s3:prefix": "r-0123/*"}}
    return [
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {**may, "Action": "s3:GetObject", "Resource": f"{arn}/r-0123/*"},
        {**may, "Action": "s3:ListBucket", "Resource": arn, "Condition": prefix},
        {**may, "Action": "s3:GetBucketLocation", "Resource": arn},
    ]


def restored(connection: Any, bucket: str, key: str = f"{PREFIX}*") -> tuple[str, str]:
    """Lifecycle and log of a restore task, at its end."""
    name = f"db{uuid.uuid4().hex}"
    rows(connection, RESTORE, name, f"arn:aws:s3:::{bucket}/{key}")
    for _ in range(10):
        [task] = [one for one in rows(connection, STATUS) if one["database_name"] == name]
        if task["lifecycle"] in ("SUCCESS", "ERROR"):
            break
    return task["lifecycle"], task["task_info"]


@pytest.fixture
def slow_changes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A change of an option takes an hour of the cloud's, so that the busiest machine can look at it under way; the call lets it pass."""
    hour = timedelta(hours=1)
    monkeypatch.setattr(option_groups, "OPTION_CHANGE", hour.total_seconds())
    yield lambda: clock.set_now(clock.now() + hour)
    clock.set_now(datetime.now(UTC))


@pytest.fixture
def connection(databases: Any, target: str, authority: certificates.Authority) -> Iterator[Any]:
    with closing(log_in(describe(databases, target), authority.bundle)) as opened:
        yield opened


def test_the_option_and_its_role_are_told_as_on_aws(databases: Any, options: str, role: str, target: str) -> None:
    [told] = databases.describe_option_groups(OptionGroupName=options)["OptionGroupsList"]

    assert [option["OptionName"] for option in told["Options"]] == ["SQLSERVER_BACKUP_RESTORE"]
    settings = {one["Name"]: one["Value"] for one in told["Options"][0]["OptionSettings"]}
    assert settings == {"IAM_ROLE_ARN": role}
    assert membership(databases, target) == {options: "in-sync"}


def test_an_attached_group_is_in_effect_after_a_while(
    databases: Any, options: str, authority: certificates.Authority, slow_changes: Callable[[], None]
) -> None:
    name = create(databases)
    with closing(log_in(describe(databases, name), authority.bundle)) as connection:
        with pytest.raises(pytds.Error, match="option is not enabled yet"):
            rows(connection, RESTORE, "orders", "arn:aws:s3:::b/k")
        databases.modify_db_instance(DBInstanceIdentifier=name, OptionGroupName=options, ApplyImmediately=True)
        assert membership(databases, name) == {
            options: "pending-apply",
            "default:sqlserver-se-15-00": "pending-removal",
        }
        with pytest.raises(pytds.Error, match="option is not enabled yet"):
            rows(connection, RESTORE, "orders", "arn:aws:s3:::b/k")

        slow_changes()

        assert membership(databases, name) == {options: "in-sync"}
        assert rows(connection, RESTORE, "orders", "arn:aws:s3:::b/k")[0]["task_id"]


def test_without_apply_immediately_a_group_waits_for_maintenance(databases: Any, options: str) -> None:
    name = create(databases)

    databases.modify_db_instance(DBInstanceIdentifier=name, OptionGroupName=options)

    waiting = {options: "pending-maintenance-apply", "default:sqlserver-se-15-00": "pending-maintenance-removal"}
    assert membership(databases, name) == waiting
    databases.modify_db_instance(DBInstanceIdentifier=name, ApplyImmediately=True)
    wait_for(lambda: membership(databases, name) == {options: "in-sync"})


def test_a_group_that_is_changed_is_applied_to_its_instances(databases: Any, role: str, slow_changes: Callable[[], None]) -> None:
    group = new_group(databases)
    name = create(databases, OptionGroupName=group)
    engine = database_servers.engine_of(name)
    assert engine.instance.backup_restore_option == "missing"

    include(databases, group, role, immediately=False)
    assert membership(databases, name) == {group: "pending-maintenance-apply"}
    include(databases, group, role)
    assert membership(databases, name) == {group: "pending-apply"}
    slow_changes()
    assert membership(databases, name) == {group: "in-sync"}


def test_groups_of_newer_versions_can_be_made_and_unknown_ones_not_attached(databases: Any, target: str) -> None:
    newest = new_group(databases, "16.00")

    [told] = databases.describe_option_groups(OptionGroupName=newest)["OptionGroupsList"]
    assert (told["EngineName"], told["MajorEngineVersion"]) == ("sqlserver-se", "16.00")
    assert refusal(new_group, databases=databases, version="3.00") == "InvalidParameterCombination"
    change = databases.modify_db_instance
    assert refusal(change, DBInstanceIdentifier=target, OptionGroupName="nobodys") == "OptionGroupNotFoundFault"


def test_a_backup_is_restored_with_nothing_but_the_temporary_buckets_policy(connection: Any, bucket: str, role: str, target: str) -> None:
    open_to(bucket, *reading(bucket, role))
    before = free_storage(target)

    lifecycle, log = restored(connection, bucket)

    assert (lifecycle, "100 percent processed" in log) == ("SUCCESS", True)
    assert before - free_storage(target) == sum(size for _, _, size in Written().files)


def test_the_roles_own_policies_open_a_bucket_of_its_account(connection: Any, bucket: str, role: str) -> None:
    assert restored(connection, bucket)[0] == "ERROR"
    allowed = {"Effect": "Allow", "Action": ["s3:Get*", "s3:ListBucket"], "Resource": f"arn:aws:s3:::{bucket}*"}
    iam, name = boto3.client("iam"), role.rpartition("/")[2]

    iam.put_role_policy(RoleName=name, PolicyName=bucket, PolicyDocument=document(allowed))

    assert restored(connection, bucket)[0] == "SUCCESS"


@pytest.mark.parametrize("missing", ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"])
def test_each_permission_that_rds_needs_is_asked_for(connection: Any, bucket: str, role: str, missing: str) -> None:
    open_to(bucket, *(one for one in reading(bucket, role) if one["Action"] != missing))

    lifecycle, log = restored(connection, bucket)

    assert (lifecycle, "Access Denied" in log) == ("ERROR", True)


def test_what_lies_under_another_restores_prefix_is_closed(connection: Any, bucket: str, role: str) -> None:
    boto3.client("s3").put_object(Bucket=bucket, Key="r-4567/1/s-01.bak", Body=backup())
    open_to(bucket, *reading(bucket, role))

    lifecycle, log = restored(connection, bucket, "r-4567/1/*")

    assert (lifecycle, "Access Denied" in log) == ("ERROR", True)


def test_a_denial_wins(connection: Any, bucket: str, role: str) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    open_to(bucket, *reading(bucket, role), deny)

    assert "Access Denied" in restored(connection, bucket)[1]


@pytest.mark.parametrize(
    "trust",
    [
        {**TRUST, "Principal": {"Service": "ec2.amazonaws.com"}},
        {
            **TRUST,
            "Condition": {"StringEquals": {"aws:SourceArn": ["arn:aws:rds:eu-central-1:123456789012:db:another"]}},
        },
    ],
    ids=["another service", "another instance"],
)
def test_a_role_that_rds_may_not_assume_reads_nothing(
    databases: Any, authority: certificates.Authority, bucket: str, trust: dict[str, Any]
) -> None:
    role, group = new_role(trust), new_group(databases)
    include(databases, group, role)
    open_to(bucket, *reading(bucket, role))
    name = create(databases, OptionGroupName=group)

    with closing(log_in(describe(databases, name), authority.bundle)) as connection:
        assert "Access Denied" in restored(connection, bucket)[1]


def test_a_bucket_of_another_region_and_none_at_all_are_told_apart(connection: Any, role: str) -> None:
    far = f"staging-{uuid.uuid4().hex}"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=far)
    open_to(far, *reading(far, role))

    assert "same region as RDS instance" in restored(connection, far)[1]
    assert "The specified bucket does not exist" in restored(connection, "nobodys-bucket")[1]
