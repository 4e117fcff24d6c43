"""Logins with tokens of IAM, over the real wire to a real server: who gets in, who doesn't, and that everybody else notices nothing."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from localcloud.base import certificates
from localcloud.iam import database_tokens, roles
from localcloud.rds import instances as databases
from tests.unit.localcloud.conftest import TIME_SCALE
from tests.unit.localcloud.ec2.test_instances import wait_for

ROLE = "arn:aws:iam::123456789012:role/logs-in"
USER = "dbrestore"


@pytest.fixture(scope="module")
def authority(home: Path) -> certificates.Authority:
    return certificates.create(home / "ca")


@pytest.fixture(scope="module")
def instance(endpoint: str, home: Path, authority: certificates.Authority) -> Iterator[dict[str, Any]]:
    """With IAM database authentication, and a user who has rds_iam, made by the master user."""
    databases.install(home, TIME_SCALE, authority)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    boto3.client("iam").create_role(RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=document)
    boto3.client("rds").create_db_instance(
        DBInstanceIdentifier="by-iam",
        Engine="postgres",
        DBInstanceClass="db.t3.medium",
        AllocatedStorage=20,
        MasterUsername="boss",
        MasterUserPassword="open sesame",
        EnableIAMDatabaseAuthentication=True,
    )
    wait_for(lambda: described()["DBInstanceStatus"] == "available", seconds=60)
    with log_in(authority, described(), "boss", "open sesame") as master:
        master.execute(f"CREATE ROLE {USER} LOGIN CREATEDB CREATEROLE")
        master.execute(f"GRANT rds_superuser, rds_iam TO {USER}")
    yield described()
    databases.shutdown()


def described() -> dict[str, Any]:
    found: dict[str, Any] = boto3.client("rds").describe_db_instances(DBInstanceIdentifier="by-iam")["DBInstances"][0]
    return found


def log_in(authority: certificates.Authority, instance: dict[str, Any], user: str, password: str, **more: Any) -> Any:
    where = {"host": instance["Endpoint"]["Address"], "port": instance["Endpoint"]["Port"], "dbname": "postgres"}
    tls = {"sslmode": "verify-full", "sslrootcert": str(authority.bundle)}
    return psycopg.connect(user=user, password=password, autocommit=True, **{**where, **tls, **more})


def token(instance: dict[str, Any], **more: Any) -> str:
    where = instance["Endpoint"]
    wish = {"DBHostname": where["Address"], "Port": where["Port"], "DBUsername": USER, "Region": "eu-central-1", **more}
    return str(boto3.client("rds", **roles.session(ROLE, "i-1")).generate_db_auth_token(**wish))


def let_in(instance: dict[str, Any], user: str = USER) -> None:
    arn = f"arn:aws:rds-db:eu-central-1:123456789012:dbuser:{instance['DbiResourceId']}/{user}"
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "rds-db:connect", "Resource": arn}]}
    boto3.client("iam").put_role_policy(RoleName=ROLE.rpartition("/")[2], PolicyName="own", PolicyDocument=json.dumps(document))


def test_a_token_opens_and_what_follows_passes_unchanged(authority: certificates.Authority, instance: dict[str, Any]) -> None:
    let_in(instance)

    with log_in(authority, instance, USER, token(instance)) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (USER,)
        connection.execute("CREATE TEMP TABLE big (line text)")
        with connection.cursor() as cursor:
            with cursor.copy("COPY big FROM STDIN") as copy:
                for n in range(20_000):
                    copy.write_row((f"{n} " * 50,))
            assert cursor.execute("SELECT count(*) FROM big").fetchone() == (20_000,)
            with cursor.copy("COPY big TO STDOUT") as copy:
                assert sum(len(chunk) for chunk in copy) > 5_000_000


def test_everybody_else_logs_in_with_a_password(authority: certificates.Authority, instance: dict[str, Any]) -> None:
    with log_in(authority, instance, "boss", "open sesame") as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'open sesame'")
    with log_in(authority, instance, "plain", "open sesame") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("plain",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(authority, instance, "plain", "wrong")


@pytest.mark.parametrize(
    "wish",
    [{"DBUsername": "somebody"}, {"Region": "eu-west-1"}, {"Port": 5432}, {"DBHostname": "elsewhere"}],
    ids=str,
)
def test_a_token_for_something_else_opens_nothing(
    authority: certificates.Authority, instance: dict[str, Any], wish: dict[str, Any]
) -> None:
    let_in(instance)

    with pytest.raises(psycopg.OperationalError, match='PAM authentication failed for user "dbrestore"'):
        log_in(authority, instance, USER, token(instance, **wish))


def test_a_changed_or_an_old_token_opens_nothing(
    authority: certificates.Authority, instance: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in(instance)
    signed = token(instance)
    for refused in (signed[:-1] + ("0" if signed[-1] != "0" else "1"), "secret", ""):
        with pytest.raises(psycopg.OperationalError, match=r"PAM authentication failed|no password supplied"):
            log_in(authority, instance, USER, refused)

    monkeypatch.setattr(database_tokens, "LIFETIME", timedelta(seconds=-1))
    with pytest.raises(psycopg.OperationalError, match="PAM authentication failed"):
        log_in(authority, instance, USER, signed)


def test_without_the_permission_or_without_tls_nobody_gets_in(authority: certificates.Authority, instance: dict[str, Any]) -> None:
    let_in(instance, "somebody")
    with pytest.raises(psycopg.OperationalError, match="PAM authentication failed"):
        log_in(authority, instance, USER, token(instance))

    let_in(instance)
    with pytest.raises(psycopg.OperationalError, match="PAM authentication failed"):
        log_in(authority, instance, USER, token(instance), sslmode="disable")


def test_the_plan_sees_that_it_is_on(instance: dict[str, Any]) -> None:
    assert instance["IAMDatabaseAuthenticationEnabled"] is True
