"""The contract of the fixed RDS: a real PostgreSQL server stands behind a DB instance."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from moto.rds.exceptions import RDSClientError
from moto.rds.models import RDSBackend

from localcloud.base import certificates
from localcloud.rds import instances as rds
from tests.statemachine import plain_moto
from tests.unit.localcloud.conftest import TIME_SCALE
from tests.unit.localcloud.ec2.test_instances import wait_for
from tests.unit.localcloud.ec2.test_security_groups import group, is_deleted, refusal

AWS = Path(sys.executable).parent / "aws"


@pytest.fixture(scope="module")
def authority(home: Path) -> certificates.Authority:
    return certificates.create(home / "ca")


@pytest.fixture(scope="module")
def databases(endpoint: str, home: Path, authority: certificates.Authority) -> Iterator[Any]:
    rds.install(home, TIME_SCALE, authority)
    yield boto3.client("rds")
    rds.shutdown()
    assert list((home / "rds").glob("*/data")) == []


@pytest.fixture(scope="module")
def shop(databases: Any) -> dict[str, Any]:
    """An instance made with the AWS CLI, as the documentation tells people to."""
    command = (
        "rds create-db-instance --engine postgres --db-instance-identifier shop --db-instance-class db.t3.medium "
        "--allocated-storage 20 --master-username postgres --manage-master-user-password"
    )
    made = subprocess.run([AWS, *command.split()], capture_output=True, text=True, check=True, env=os.environ)
    answer = json.loads(made.stdout)["DBInstance"]
    assert (answer["DBInstanceStatus"], "Endpoint" in answer) == ("creating", False)
    wait_for(lambda: describe(databases, "shop")["DBInstanceStatus"] == "available", seconds=60)
    return describe(databases, "shop")


def describe(databases: Any, name: str) -> dict[str, Any]:
    instance: dict[str, Any] = databases.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    return instance


def create(databases: Any, **more: Any) -> str:
    name = f"db-{uuid.uuid4().hex}"
    databases.create_db_instance(
        DBInstanceIdentifier=name,
        Engine="postgres",
        DBInstanceClass="db.t3.medium",
        AllocatedStorage=20,
        MasterUsername="boss",
        **{"MasterUserPassword": "open sesame'\\", **more},
    )
    wait_for(lambda: describe(databases, name)["DBInstanceStatus"] == "available", seconds=60)
    return name


def log_in(instance: dict[str, Any], user: str, password: str, ca: Path, database: str = "postgres") -> Any:
    where = {"host": instance["Endpoint"]["Address"], "port": instance["Endpoint"]["Port"], "dbname": database}
    return psycopg.connect(**where, user=user, password=password, sslmode="verify-full", sslrootcert=str(ca))


def secret_of(instance: dict[str, Any]) -> dict[str, str]:
    arn = instance["MasterUserSecret"]["SecretArn"]
    value: dict[str, str] = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
    return value


def memberships(databases: Any, name: str) -> dict[str, str]:
    return {each["VpcSecurityGroupId"]: each["Status"] for each in describe(databases, name)["VpcSecurityGroups"]}


def test_the_managed_master_logs_in_over_verified_tls_and_is_no_superuser(shop: dict[str, Any], authority: certificates.Authority) -> None:
    secret = secret_of(shop)

    with log_in(shop, secret["username"], secret["password"], authority.bundle) as connection:
        row = connection.execute(
            "SELECT version(), ssl, rolsuper, rolcreatedb FROM pg_stat_ssl s, pg_roles WHERE s.pid = pg_backend_pid()"
            " AND rolname = current_user"
        ).fetchone()

    assert row[0].startswith("PostgreSQL 17.10")
    assert row[1:] == (True, False, True)
    assert shop["Endpoint"]["Address"] == "localhost"
    assert len(secret["password"]) >= 30


def test_the_description_has_what_a_plan_needs(shop: dict[str, Any], databases: Any) -> None:
    assert shop["EngineVersion"] == "17.10"
    assert shop["AvailabilityZone"] == "eu-central-1a"
    assert shop["DBSubnetGroup"]["VpcId"] == boto3.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    assert len(shop["DBSubnetGroup"]["Subnets"]) == 3
    assert [each["Status"] for each in shop["VpcSecurityGroups"]] == ["active"]
    assert shop["MasterUserSecret"]["SecretStatus"] == "active"
    assert shop["MasterUserSecret"]["KmsKeyId"].startswith("arn:aws:kms:")
    assert shop["DbiResourceId"] != describe(databases, create(databases))["DbiResourceId"]


def test_a_given_password_version_and_database_are_used(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases, EngineVersion="18", DBName="orders")

    instance = describe(databases, name)

    assert (instance["EngineVersion"], "MasterUserSecret" in instance) == ("18.4", False)
    with log_in(instance, "boss", "open sesame'\\", authority.bundle, "orders") as connection:
        assert connection.info.server_version == 180004
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'orders'"
        assert connection.execute(owner).fetchone() == ("boss",)


def test_a_version_that_cannot_be_had_is_refused_as_rds_does(databases: Any, shop: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"\(InvalidParameterCombination\).* Cannot find version 12\.22 for postgres"):
        create(databases, EngineVersion="12.22")
    with pytest.raises(ClientError, match=r"\(InvalidParameterCombination\).* Cannot upgrade postgres from 17\.10 to 18"):
        databases.modify_db_instance(DBInstanceIdentifier="shop", EngineVersion="18")
    assert describe(databases, "shop")["EngineVersion"] == "17.10"


def test_a_changed_and_a_rotated_password_change_the_server_too(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases)

    databases.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword="another")
    log_in(describe(databases, name), "boss", "another", authority.bundle).close()
    databases.modify_db_instance(DBInstanceIdentifier=name, ManageMasterUserPassword=True)
    first = secret_of(describe(databases, name))["password"]
    log_in(describe(databases, name), "boss", first, authority.bundle).close()
    databases.modify_db_instance(DBInstanceIdentifier=name, RotateMasterUserPassword=True, ApplyImmediately=True)
    second = secret_of(describe(databases, name))["password"]
    log_in(describe(databases, name), "boss", second, authority.bundle).close()

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(describe(databases, name), "boss", first, authority.bundle)
    assert first != second


def test_a_group_list_is_replaced_and_becomes_active_after_a_while(databases: Any, shop: dict[str, Any], ec2: Any) -> None:
    before = shop["VpcSecurityGroups"][0]["VpcSecurityGroupId"]
    paired = group(ec2)

    databases.modify_db_instance(DBInstanceIdentifier="shop", VpcSecurityGroupIds=[before, paired])
    assert memberships(databases, "shop") == {before: "active", paired: "adding"}
    wait_for(lambda: memberships(databases, "shop") == {before: "active", paired: "active"})
    assert refusal(ec2.delete_security_group, GroupId=paired) == "DependencyViolation"
    databases.modify_db_instance(DBInstanceIdentifier="shop", VpcSecurityGroupIds=[before])
    assert memberships(databases, "shop") == {before: "active", paired: "removing"}
    assert not is_deleted(ec2, paired)

    wait_for(lambda: memberships(databases, "shop") == {before: "active"})
    assert is_deleted(ec2, paired)


def test_unknown_and_too_many_groups_are_refused(databases: Any, shop: dict[str, Any], ec2: Any) -> None:
    change, six = databases.modify_db_instance, [group(ec2) for _ in range(6)]

    assert refusal(change, DBInstanceIdentifier="shop", VpcSecurityGroupIds=["sg-0"]) == "InvalidParameterValue"
    assert refusal(change, DBInstanceIdentifier="shop", VpcSecurityGroupIds=six) == "InvalidParameterValue"
    assert refusal(create, databases=databases, VpcSecurityGroupIds=["sg-0"]) == "InvalidParameterValue"
    assert list(memberships(databases, "shop").values()) == ["active"]


def test_an_instance_that_is_not_available_cannot_be_modified(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases)
    endpoint = describe(databases, name)["Endpoint"]
    databases.stop_db_instance(DBInstanceIdentifier=name)

    code = refusal(databases.modify_db_instance, DBInstanceIdentifier=name, AllocatedStorage=30)
    assert code == "InvalidDBInstanceState"
    with pytest.raises(psycopg.OperationalError):
        log_in({"Endpoint": endpoint}, "boss", "open sesame'\\", authority.bundle)
    databases.start_db_instance(DBInstanceIdentifier=name)

    assert describe(databases, name)["Endpoint"] == endpoint
    log_in(describe(databases, name), "boss", "open sesame'\\", authority.bundle).close()


def test_a_deleted_instance_has_no_server_and_no_data(databases: Any, home: Path, authority: certificates.Authority) -> None:
    before = set((home / "rds").iterdir())
    name = create(databases)
    endpoint = describe(databases, name)["Endpoint"]
    assert set((home / "rds").iterdir()) != before

    databases.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    assert refusal(databases.describe_db_instances, DBInstanceIdentifier=name) == "DBInstanceNotFound"
    assert set((home / "rds").iterdir()) == before
    with pytest.raises(psycopg.OperationalError):
        log_in({"Endpoint": endpoint}, "boss", "open sesame'\\", authority.bundle)


def test_unknown_names_and_a_missing_password_are_refused(databases: Any, shop: dict[str, Any]) -> None:
    assert refusal(databases.describe_db_instances, DBInstanceIdentifier="nobody") == "DBInstanceNotFound"
    assert refusal(databases.modify_db_instance, DBInstanceIdentifier="nobody") == "DBInstanceNotFound"
    assert refusal(create, databases=databases, MasterUserPassword="") == "InvalidParameterValue"


def test_free_storage_shrinks_by_what_is_stored(databases: Any, shop: dict[str, Any], authority: certificates.Authority) -> None:
    before, secret = free_storage(), secret_of(shop)

    with log_in(shop, secret["username"], secret["password"], authority.bundle) as connection:
        connection.execute("CREATE TABLE filler AS SELECT repeat(n::text, 100) FROM generate_series(1, 50000) n")

    assert 19 * 1024**3 < before < 20 * 1024**3
    assert before - free_storage() > 10_000_000


def free_storage() -> float:
    dimension = [{"Name": "DBInstanceIdentifier", "Value": "shop"}]
    now = datetime.now(UTC)
    metrics, window = boto3.client("cloudwatch"), {"StartTime": now - timedelta(minutes=10), "EndTime": now}
    metric = {"Namespace": "AWS/RDS", "MetricName": "FreeStorageSpace", "Dimensions": dimension}
    points = metrics.get_metric_statistics(**metric, **window, Period=60, Statistics=["Average"])["Datapoints"]
    query = {"Id": "free", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
    values = metrics.get_metric_data(MetricDataQueries=[query], **window)["MetricDataResults"][0]["Values"]
    assert (len(points), len(values)) == (1, 1)
    return float(values[0])


@pytest.mark.usefixtures("databases")
def test_what_tests_of_moto_alone_take_back_leaves_them_what_they_keep() -> None:
    """Both modules fix the same method of moto's."""

    class Database:
        status = "backing-up"

    class Backend:
        def describe_db_instances(self, _: str) -> list[Database]:
            return [Database()]

    with pytest.MonkeyPatch.context() as patch:
        plain_moto.install(patch)
        with pytest.raises(RDSClientError, match="InvalidDBInstanceState"):
            RDSBackend.modify_db_instance(Backend(), "shop", {})
        assert rds._modify not in _replacements(RDSBackend.modify_db_instance)
    assert rds._modify in _replacements(RDSBackend.modify_db_instance)


def _replacements(method: Any) -> list[Any]:
    """What stands around moto's own method, the outermost first."""
    found = []
    while inner := getattr(method, "__wrapped__", None):
        found += [cell.cell_contents for cell in method.__closure__ if callable(cell.cell_contents) and cell.cell_contents is not inner]
        method = inner
    return found
