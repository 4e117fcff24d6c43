"""The contract of the fixed RDS: one real PostgreSQL server stands behind a DB cluster and all its instances."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.base import certificates
from localcloud.rds import database_servers
from localcloud.rds import instances as rds
from tests.unit.localcloud.conftest import TIME_SCALE
from tests.unit.localcloud.ec2.test_instances import wait_for
from tests.unit.localcloud.ec2.test_security_groups import group, is_deleted, refusal
from tests.unit.localcloud.rds.test_iam_logins import ROLE, USER, let_in, token
from tests.unit.localcloud.rds.test_instances import describe, log_in, memberships, secret_of

AURORA, MULTI_AZ = "shop-aurora", "shop-cluster"


@pytest.fixture(scope="module")
def authority(home: Path) -> certificates.Authority:
    return certificates.create(home / "ca")


@pytest.fixture(scope="module")
def databases(endpoint: str, home: Path, authority: certificates.Authority) -> Iterator[Any]:
    rds.install(home, TIME_SCALE, authority)
    yield boto3.client("rds")
    rds.shutdown()
    assert list((home / "rds").glob("*/data")) == []


def cluster(databases: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = databases.describe_db_clusters(DBClusterIdentifier=name)["DBClusters"][0]
    return found


def create(databases: Any, name: str, **more: Any) -> dict[str, Any]:
    made = databases.create_db_cluster(DBClusterIdentifier=name, MasterUsername="boss", ManageMasterUserPassword=True, **more)["DBCluster"]
    assert made["Status"] == cluster(databases, name)["Status"] == "creating"
    wait_for(lambda: cluster(databases, name)["Status"] == "available", seconds=60)
    return cluster(databases, name)


def add_instance(databases: Any, name: str) -> None:
    databases.create_db_instance(
        DBInstanceIdentifier=name, DBClusterIdentifier=AURORA, Engine="aurora-postgresql", DBInstanceClass="db.r6g.large"
    )


@pytest.fixture(scope="module")
def aurora(databases: Any) -> dict[str, Any]:
    """A writer and a reader, and logins with tokens of IAM."""
    create(databases, AURORA, Engine="aurora-postgresql", EnableIAMDatabaseAuthentication=True)
    add_instance(databases, "shop-1")
    add_instance(databases, "shop-2")
    return cluster(databases, AURORA)


@pytest.fixture(scope="module")
def multi_az(databases: Any) -> dict[str, Any]:
    return create(databases, MULTI_AZ, Engine="postgres", DBClusterInstanceClass="db.m6gd.large", AllocatedStorage=100)


def endpoint_of(cluster: dict[str, Any]) -> dict[str, Any]:
    """As an instance shows it."""
    return {"Endpoint": {"Address": cluster["Endpoint"], "Port": cluster["Port"]}}


def of_cluster(databases: Any, name: str) -> dict[str, str]:
    return {each["VpcSecurityGroupId"]: each["Status"] for each in cluster(databases, name)["VpcSecurityGroups"]}


@pytest.mark.parametrize("name", [AURORA, MULTI_AZ])
def test_the_clusters_master_logs_in_over_verified_tls(
    databases: Any, aurora: dict[str, Any], multi_az: dict[str, Any], authority: certificates.Authority, name: str
) -> None:
    found = cluster(databases, name)
    secret = secret_of(found)

    with log_in(endpoint_of(found), secret["username"], secret["password"], authority.bundle) as connection:
        assert connection.execute("SELECT current_user, pg_has_role('rds_superuser', 'USAGE')").fetchone() == ("boss", True)

    assert (found["EngineVersion"], found["DbClusterResourceId"][:8]) == ("17.10", "cluster-")


def test_members_show_the_clusters_server_and_one_of_them_writes(databases: Any, aurora: dict[str, Any], multi_az: dict[str, Any]) -> None:
    for found, names in ((aurora, ["shop-1", "shop-2"]), (multi_az, [f"{MULTI_AZ}-instance-{n}" for n in (1, 2, 3)])):
        assert {m["DBInstanceIdentifier"]: m["IsClusterWriter"] for m in found["DBClusterMembers"]} == {
            name: name == names[0] for name in names
        }
        for name in names:
            member = describe(databases, name)
            assert member["Endpoint"]["Port"] == found["Port"]
            assert member["DBClusterIdentifier"] == found["DBClusterIdentifier"]
            assert "MasterUserSecret" not in member
    zones = [describe(databases, m["DBInstanceIdentifier"])["AvailabilityZone"] for m in multi_az["DBClusterMembers"]]
    assert len(set(zones)) == 3


@pytest.mark.parametrize("immediately", [True, False])
def test_a_changed_group_list_takes_force_after_a_while_for_all_members(
    databases: Any, aurora: dict[str, Any], *, immediately: bool
) -> None:
    ec2 = boto3.client("ec2")
    paired = group(ec2)
    [before] = of_cluster(databases, AURORA)

    databases.modify_db_cluster(DBClusterIdentifier=AURORA, VpcSecurityGroupIds=[before, paired], ApplyImmediately=immediately)

    assert of_cluster(databases, AURORA) == memberships(databases, "shop-2") == {before: "active", paired: "adding"}
    wait_for(lambda: of_cluster(databases, AURORA) == {before: "active", paired: "active"})
    assert refusal(ec2.delete_security_group, GroupId=paired) == "DependencyViolation"

    databases.modify_db_cluster(DBClusterIdentifier=AURORA, VpcSecurityGroupIds=[before])

    assert of_cluster(databases, AURORA) == {before: "active", paired: "removing"}
    wait_for(lambda: of_cluster(databases, AURORA) == {before: "active"})
    wait_for(lambda: is_deleted(ec2, paired))


def test_nothing_of_a_list_that_can_not_be_is_applied(databases: Any, aurora: dict[str, Any]) -> None:
    change, before = databases.modify_db_cluster, of_cluster(databases, AURORA)

    assert refusal(change, DBClusterIdentifier=AURORA, VpcSecurityGroupIds=["sg-0"]) == "InvalidParameterValue"
    assert refusal(change, DBClusterIdentifier="nobody", VpcSecurityGroupIds=list(before)) == "DBClusterNotFoundFault"
    assert of_cluster(databases, AURORA) == before


def test_a_members_groups_change_with_its_cluster_alone(databases: Any, aurora: dict[str, Any], multi_az: dict[str, Any]) -> None:
    change = databases.modify_db_instance
    groups = list(of_cluster(databases, AURORA))

    assert refusal(change, DBInstanceIdentifier="shop-1", VpcSecurityGroupIds=groups) == "InvalidParameterCombination"
    change(DBInstanceIdentifier="shop-1", AutoMinorVersionUpgrade=False)
    of_multi_az = {"DBInstanceIdentifier": f"{MULTI_AZ}-instance-1", "AutoMinorVersionUpgrade": False}
    assert refusal(change, **of_multi_az) == "InvalidParameterCombination"


def test_a_token_of_iam_opens_the_cluster_by_its_own_resource_id(aurora: dict[str, Any], authority: certificates.Authority) -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    boto3.client("iam").create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=document)
    let_in({"DbiResourceId": aurora["DbClusterResourceId"]})
    secret = secret_of(aurora)
    with log_in(endpoint_of(aurora), secret["username"], secret["password"], authority.bundle) as master:
        master.execute(f"CREATE ROLE {USER} LOGIN")
        master.execute(f"GRANT rds_iam TO {USER}")

    with log_in(endpoint_of(aurora), USER, token(endpoint_of(aurora)), authority.bundle) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (USER,)


def test_only_where_storage_is_allocated_it_can_run_out(databases: Any, aurora: dict[str, Any], multi_az: dict[str, Any]) -> None:
    now = datetime.now(UTC)

    def points(member: str) -> list[float]:
        told = boto3.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="FreeStorageSpace",
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": member}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now,
            Period=60,
            Statistics=["Minimum"],
        )
        return [float(point["Minimum"]) for point in told["Datapoints"]]

    assert points("shop-1") == []
    [free] = points(f"{MULTI_AZ}-instance-1")
    assert 99 * 1024**3 < free < 100 * 1024**3


def test_a_rotated_password_is_the_servers_and_a_stopped_cluster_comes_back(
    databases: Any, multi_az: dict[str, Any], authority: certificates.Authority
) -> None:
    before = secret_of(multi_az)

    databases.modify_db_cluster(DBClusterIdentifier=MULTI_AZ, RotateMasterUserPassword=True, ApplyImmediately=True)
    after = secret_of(multi_az)
    assert after["password"] != before["password"]
    databases.stop_db_cluster(DBClusterIdentifier=MULTI_AZ)
    code = refusal(databases.modify_db_cluster, DBClusterIdentifier=MULTI_AZ, VpcSecurityGroupIds=list(of_cluster(databases, MULTI_AZ)))
    assert (cluster(databases, MULTI_AZ)["Status"], code) == ("stopped", "InvalidDBClusterStateFault")
    databases.start_db_cluster(DBClusterIdentifier=MULTI_AZ)

    with log_in(endpoint_of(multi_az), after["username"], after["password"], authority.bundle) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_server_ends_with_the_cluster_and_not_with_a_member(databases: Any, aurora: dict[str, Any], home: Path) -> None:
    running = len(database_servers._servers)
    add_instance(databases, "short-lived")
    databases.delete_db_instance(DBInstanceIdentifier="short-lived", SkipFinalSnapshot=True)
    assert len(database_servers._servers) == running

    create(databases, "away", Engine="postgres", DBClusterInstanceClass="db.m6gd.large")
    databases.delete_db_cluster(DBClusterIdentifier="away", SkipFinalSnapshot=True)

    assert len(database_servers._servers) == running
    assert refusal(databases.describe_db_instances, DBInstanceIdentifier="away-instance-1") == "DBInstanceNotFound"
