"""The contract of the fixed RDS for SQL Server: a simulated server behind the endpoint, reading S3 with the role of its option."""

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytds
import pytest

from dbrestore.worker.sqlserver import tds_tls
from localcloud.base import certificates, consistency
from localcloud.base.consistency import Inconsistency
from localcloud.rds import database_servers
from localcloud.rds import instances as rds
from tests.unit.localcloud.conftest import KEYS, TIME_SCALE
from tests.unit.localcloud.ec2.test_instances import wait_for
from tests.unit.localcloud.ec2.test_security_groups import group, refusal
from tests.unit.localcloud.rds.test_instances import describe, memberships, secret_of

AWS = Path(sys.executable).parent / "aws"
REGION = KEYS["AWS_REGION"]
PASSWORD = "open sesame'\\"


@pytest.fixture(scope="module")
def authority(home: Path) -> certificates.Authority:
    return certificates.create(home / "ca")


@pytest.fixture(scope="module")
def databases(endpoint: str, home: Path, authority: certificates.Authority) -> Iterator[Any]:
    rds.install(home, TIME_SCALE, authority)
    yield boto3.client("rds")
    rds.shutdown()


@pytest.fixture(scope="module")
def shop(databases: Any) -> dict[str, Any]:
    """An instance made with the AWS CLI, as the documentation tells people to."""
    command = (
        "rds create-db-instance --engine sqlserver-se --db-instance-identifier Shop-SQL --db-instance-class db.m6i.large "
        "--allocated-storage 20 --master-username admin --manage-master-user-password --license-model license-included"
    )
    made = subprocess.run([AWS, *command.split()], capture_output=True, text=True, check=True, env=os.environ)
    answer = json.loads(made.stdout)["DBInstance"]
    assert (answer["DBInstanceStatus"], "Endpoint" in answer) == ("creating", False)
    wait_for(lambda: describe(databases, "shop-sql")["DBInstanceStatus"] == "available")
    return describe(databases, "shop-sql")


def create(databases: Any, **more: Any) -> str:
    name = f"db-{uuid.uuid4().hex}"
    databases.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.m6i.large",
        **{"Engine": "sqlserver-se", "AllocatedStorage": 20, "MasterUsername": "boss", "MasterUserPassword": PASSWORD, **more},
    )
    wait_for(lambda: describe(databases, name)["DBInstanceStatus"] == "available")
    return name


def log_in(instance: dict[str, Any], ca: Path, user: str = "boss", password: str = PASSWORD) -> Any:
    tds_tls.install()
    return pytds.connect(
        instance["Endpoint"]["Address"],
        port=instance["Endpoint"]["Port"],
        user=user,
        password=password,
        cafile=str(ca),
        autocommit=True,
        as_dict=True,
        disable_connect_retry=True,
        login_timeout=1,
        timeout=10,
    )


def rows(connection: Any, text: str, *parameters: Any) -> list[dict[str, Any]]:
    with closing(connection.cursor()) as cursor:
        cursor.execute(text, parameters)
        return list(cursor.fetchall())


def properties(connection: Any) -> tuple[str, str]:
    [found] = rows(connection, "SELECT SERVERPROPERTY('ProductVersion') AS version, SERVERPROPERTY('Edition') AS edition")
    return str(found["version"]), str(found["edition"])


def free_storage(name: str) -> float:
    metric = {
        "Namespace": "AWS/RDS",
        "MetricName": "FreeStorageSpace",
        "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": name}],
    }
    query = {"Id": "free", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
    now = datetime.now(UTC)
    window: dict[str, Any] = {"StartTime": now - timedelta(minutes=10), "EndTime": now}
    found: Any = boto3.client("cloudwatch").get_metric_data(MetricDataQueries=[query], **window)
    return float(found["MetricDataResults"][0]["Values"][0])


def test_the_managed_master_logs_in_over_verified_tls(shop: dict[str, Any], authority: certificates.Authority) -> None:
    secret = secret_of(shop)

    with closing(log_in(shop, authority.bundle, secret["username"], secret["password"])) as connection:
        version, edition = properties(connection)

    assert (shop["EngineVersion"], version) == ("15.00.4430.1.v1", "15.0.4430.1")
    assert edition.startswith("Standard Edition")
    assert (shop["Endpoint"]["Address"], shop["Endpoint"]["Port"] > 1024) == ("localhost", True)
    assert (shop["LicenseModel"], shop["MultiAZ"], shop["MasterUsername"]) == ("license-included", False, "admin")
    assert shop["OptionGroupMemberships"] == [{"OptionGroupName": "default:sqlserver-se-15-00", "Status": "in-sync"}]


@pytest.mark.parametrize(
    ("engine", "asked", "version", "edition"),
    [
        ("sqlserver-ex", "16.00.4175.1.v1", "16.0.4175.1", "Express"),
        ("sqlserver-ee", "13.00.6455.2.v1", "13.0.6455.2", "Enterprise"),
        ("sqlserver-web", "14.00.3480.1.v1", "14.0.3480.1", "Web"),
    ],
)
def test_the_server_is_of_the_edition_and_version_that_was_asked_for(
    databases: Any, authority: certificates.Authority, engine: str, asked: str, version: str, edition: str
) -> None:
    instance = describe(databases, create(databases, Engine=engine, EngineVersion=asked))

    with closing(log_in(instance, authority.bundle)) as connection:
        found = properties(connection)

    assert (instance["Engine"], instance["EngineVersion"], instance["LicenseModel"]) == (
        engine,
        asked,
        "license-included",
    )
    assert found[0] == version
    assert found[1].startswith(edition)


def test_a_changed_and_a_rotated_password_change_the_server_too(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases)

    databases.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword="another")
    log_in(describe(databases, name), authority.bundle, password="another").close()
    databases.modify_db_instance(DBInstanceIdentifier=name, ManageMasterUserPassword=True)
    first = secret_of(describe(databases, name))["password"]
    log_in(describe(databases, name), authority.bundle, password=first).close()
    databases.modify_db_instance(DBInstanceIdentifier=name, RotateMasterUserPassword=True, ApplyImmediately=True)
    second = secret_of(describe(databases, name))["password"]
    log_in(describe(databases, name), authority.bundle, password=second).close()

    with pytest.raises(pytds.Error, match="Login failed"):
        log_in(describe(databases, name), authority.bundle, password=first)


def test_a_stopped_server_lets_nobody_in_and_keeps_its_databases(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases)
    endpoint = describe(databases, name)["Endpoint"]
    database_servers.engine_of(name).create_database("orders")

    databases.stop_db_instance(DBInstanceIdentifier=name)
    with pytest.raises((pytds.Error, OSError)):
        log_in({"Endpoint": endpoint}, authority.bundle)
    databases.start_db_instance(DBInstanceIdentifier=name)

    assert describe(databases, name)["Endpoint"] == endpoint
    with closing(log_in(describe(databases, name), authority.bundle)) as connection:
        assert rows(connection, "SELECT name FROM sys.databases WHERE name = %s", "orders") == [{"name": "orders"}]


def test_a_deleted_instance_has_no_server(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases)
    endpoint = describe(databases, name)["Endpoint"]

    databases.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)

    with pytest.raises((pytds.Error, OSError)):
        log_in({"Endpoint": endpoint}, authority.bundle)
    with pytest.raises(LookupError):
        database_servers.engine_of(name)


def test_an_instance_that_is_deleted_while_it_is_made_leaves_no_server(databases: Any) -> None:
    databases.create_db_instance(
        DBInstanceIdentifier="short-lived",
        DBInstanceClass="db.m6i.large",
        Engine="sqlserver-se",
        AllocatedStorage=20,
        MasterUsername="boss",
        MasterUserPassword=PASSWORD,
    )
    databases.delete_db_instance(DBInstanceIdentifier="short-lived", SkipFinalSnapshot=True)

    wait_for(lambda: not [one for one in threading.enumerate() if one.name == "making short-lived"])

    with pytest.raises(LookupError):
        database_servers.engine_of("short-lived")


def test_a_database_name_is_not_taken(databases: Any) -> None:
    assert refusal(create, databases=databases, DBName="orders") == "InvalidParameterValue"
    assert refusal(create, databases=databases, MasterUserPassword="") == "InvalidParameterValue"


def test_groups_storage_and_availability_zones_can_be_changed(databases: Any, ec2: Any) -> None:
    name, paired = create(databases, MultiAZ=True), group(ec2)
    engine = database_servers.engine_of(name)
    assert (engine.instance.multi_az, describe(databases, name)["MultiAZ"]) == (True, True)

    databases.modify_db_instance(DBInstanceIdentifier=name, VpcSecurityGroupIds=[paired], MultiAZ=False, AllocatedStorage=30)

    assert memberships(databases, name)[paired] == "adding"
    assert (engine.instance.multi_az, describe(databases, name)["MultiAZ"]) == (False, False)
    assert free_storage(name) == 30 * 1024**3


def test_replicas_are_told_and_can_go_without_harm_to_their_source(databases: Any, authority: certificates.Authority) -> None:
    name = create(databases, Engine="sqlserver-ee", BackupRetentionPeriod=1)
    source = describe(databases, name)
    elsewhere = boto3.client("rds", region_name="us-east-1")

    elsewhere.create_db_instance_read_replica(
        DBInstanceIdentifier=f"{name}-far", SourceDBInstanceIdentifier=source["DBInstanceArn"], SourceRegion=REGION
    )
    databases.create_db_instance_read_replica(DBInstanceIdentifier=f"{name}-near", SourceDBInstanceIdentifier=name)

    far = elsewhere.describe_db_instances(DBInstanceIdentifier=f"{name}-far")["DBInstances"][0]
    assert describe(databases, name)["ReadReplicaDBInstanceIdentifiers"] == [far["DBInstanceArn"], f"{name}-near"]
    assert far["DBInstanceArn"].split(":")[3] == "us-east-1"
    elsewhere.delete_db_instance(DBInstanceIdentifier=f"{name}-far", SkipFinalSnapshot=True)
    databases.delete_db_instance(DBInstanceIdentifier=f"{name}-near", SkipFinalSnapshot=True)
    assert (
        "ReadReplicaDBInstanceIdentifiers" not in describe(databases, name)
        or not (describe(databases, name)["ReadReplicaDBInstanceIdentifiers"])
    )
    log_in(source, authority.bundle).close()


def test_where_aws_is_inconsistent_a_new_groups_rules_are_in_force_late(
    databases: Any, ec2: Any, authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_servers, "IN_FORCE", 1000 * TIME_SCALE)
    monkeypatch.setattr(consistency, "_current", Inconsistency(1, applies=lambda: False))
    name = create(databases)
    log_in(describe(databases, name), authority.bundle).close()

    databases.modify_db_instance(DBInstanceIdentifier=name, VpcSecurityGroupIds=[group(ec2)])

    wait_for(lambda: set(memberships(databases, name).values()) == {"active"})
    with pytest.raises(TimeoutError):
        log_in(describe(databases, name), authority.bundle)
    databases.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
