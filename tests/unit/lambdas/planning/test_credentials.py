"""Which credentials a plan names, by whose word, and what it refuses: everything without ever reading a secret's value."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.rds.models import rds_backends
from moto.secretsmanager.responses import SecretsManagerResponse

from dbrestore.contract.errors import CredentialsNotUsable, RestoreError, RestoreRequestInvalid
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.world import ACCOUNT, INSTANCE, REGION, REQUEST, World, create_instance, execution_arn

READABLE = {"dbrestore:credentials": "true"}


@pytest.fixture(autouse=True)
def nobody_reads_a_value(world: World) -> None:
    """A plan that asks for a secret's value fails, whatever comes of it."""

    def read(_: Any) -> str:
        raise AssertionError("the control plane read a secret")

    world.patch.setattr(SecretsManagerResponse, "get_secret_value", read)


def asking(**credentials: str) -> dict[str, Any]:
    return {**REQUEST, "target": {"dbInstance": INSTANCE, "credentials": credentials}}


def target(request: Any = REQUEST) -> dict[str, Any]:
    told: dict[str, Any] = plan_restore({"request": request, "executionArn": execution_arn("restore-1")}, None)["target"]
    return told


def refused(request: Any, kind: type[RestoreError] = CredentialsNotUsable) -> str:
    with pytest.raises(RestoreError) as caught:
        target(request)
    assert type(caught.value) is kind, str(caught.value)
    [line] = str(caught.value).splitlines()
    return line


def secret(name: str = "orders-restore", region: str = REGION, **tags: str) -> str:
    listed: Any = [{"Key": key.replace("__", ":"), "Value": value} for key, value in tags.items()]
    client = boto3.client("secretsmanager", region_name=region)
    return str(client.create_secret(Name=name, SecretString=json.dumps({"username": "dba", "password": "x"}), Tags=listed)["ARN"])


def readable(name: str = "orders-restore") -> str:
    return secret(name, dbrestore__credentials="true")


def rules(world: World, folder: Path, *listed: dict[str, Any]) -> None:
    path = folder / "credentials.json"
    path.write_text(json.dumps({"rules": listed}))
    world.patch.setenv("CREDENTIAL_CONFIGURATION", str(path))


def with_iam(enabled: bool = True) -> None:
    rds_backends[ACCOUNT][REGION].databases[INSTANCE].enable_iam_database_authentication = enabled


def offering(**more: str) -> None:
    ssm = boto3.client("ssm")
    offer = json.loads(ssm.get_parameter(Name="/dbrestore/target")["Parameter"]["Value"])
    ssm.put_parameter(Name="/dbrestore/target", Value=json.dumps({**offer, **more}), Type="String", Overwrite=True)


def test_without_a_word_it_is_the_secret_that_rds_manages(world: World) -> None:
    told = target()

    assert told["secretArn"].split(":")[6].startswith("rds!")
    assert told["credentialsBy"] == "RDS, which manages the master secret"


def test_a_request_goes_before_a_rule_and_a_rule_before_the_managed_secret(world: World, tmp_path: Path) -> None:
    asked, ruled = readable("asked"), readable("ruled")
    rules(world, tmp_path, {"dbInstance": "orders-*", "secretName": "ruled"})

    by_request, by_rule = target(asking(secretArn=asked)), target({**REQUEST, "mode": "plan"})

    assert (by_request["secretArn"], by_request["credentialsBy"]) == (asked, "the request")
    assert (by_rule["secretArn"], by_rule["credentialsBy"]) == (ruled, "rule 1 of configuration/credentials.json")


def test_a_rule_by_a_tag_of_the_instance_and_a_name_made_of_its_own(world: World, tmp_path: Path) -> None:
    arn = readable(f"restore/{INSTANCE}")
    rds = boto3.client("rds")
    rds.add_tags_to_resource(
        ResourceName=rds.describe_db_instances()["DBInstances"][0]["DBInstanceArn"], Tags=[{"Key": "team", "Value": "dba"}]
    )
    rules(
        world,
        tmp_path,
        {"tag": {"key": "team", "value": "web"}, "secretName": "other"},
        {"tag": {"key": "team", "value": "dba"}, "secretName": "restore/{dbInstance}"},
    )

    told = target()

    assert (told["secretArn"], told["credentialsBy"]) == (arn, "rule 2 of configuration/credentials.json")


def test_without_any_it_is_refused_and_nobody_is_told_to_change_a_password_unawares(world: World) -> None:
    create_instance("other", world.group_list, ManageMasterUserPassword=False, MasterUserPassword="s3cr3t-s3cr3t")

    line = refused({**REQUEST, "target": {"dbInstance": "other"}, "source": {"dbInstance": INSTANCE}})

    assert line.startswith("/target/dbInstance: other has no credentials for a restore: name a secret in the request")
    assert "gives the master user a new password at once and every 7 days" in line
    assert "forbids blue/green deployments and, but for SQL Server, read replicas" in line


def test_a_secret_without_mark_can_not_be_read_by_the_worker(world: World) -> None:
    line = refused(asking(secretArn=secret(team="dba")))

    assert line.startswith("/target/credentials/secretArn: the secret arn:aws:secretsmanager:")
    assert "give it the tag dbrestore:credentials = true (aws secretsmanager tag-resource)" in line


def test_the_prefix_that_the_target_stack_offers_is_a_mark_too(world: World) -> None:
    arn = secret("restore/orders")
    offering(credentialPrefix="restore/")

    assert target(asking(secretArn=arn))["secretArn"] == arn
    assert "or a name that begins with restore/" in refused(asking(secretArn=secret("others/orders")))


def test_a_secret_of_another_region_or_account_is_refused_without_a_look(world: World) -> None:
    elsewhere = secret(region="eu-west-1", dbrestore__credentials="true")
    foreign = "arn:aws:secretsmanager:eu-central-1:999999999999:secret:x-Ab12Cd"

    for arn in (elsewhere, foreign):
        assert f"isn't in the target's Region and account, {REGION} of {ACCOUNT}" in refused(asking(secretArn=arn))


def test_a_secret_that_is_not_there_or_will_not_stay_is_refused(world: World) -> None:
    arn = readable()
    boto3.client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)

    assert "is scheduled for deletion on 20" in refused(asking(secretArn=arn))
    assert "does not exist: create it" in refused(asking(secretArn=f"{arn[:-6]}Zz99Zz"))


def test_a_user_of_iam_is_planned_with_what_no_plan_can_see(world: World) -> None:
    with_iam()
    offering(iamUser="dbrestore")

    plan = plan_restore({"request": asking(iamUser="dbrestore"), "executionArn": execution_arn("restore-1")}, None)

    assert (plan["target"]["iamUser"], plan["target"].get("secretArn", "")) == ("dbrestore", "")
    assert any("tokens of IAM; whether that user exists and has rds_iam" in note for note in plan["notes"])


def test_a_user_of_iam_needs_the_instance_and_the_stack_to_let_it_in(world: World) -> None:
    offering(iamUser="dbrestore")
    switched_off = refused(asking(iamUser="dbrestore"))
    with_iam()
    other = refused(asking(iamUser="somebody"))

    assert switched_off.startswith(f"/target/credentials/iamUser: {INSTANCE} has IAM database authentication switched off")
    assert "lets workers log in as dbrestore: name that user, or deploy the TargetStack with the parameter IamUser=somebody" in other


@pytest.mark.parametrize(
    ("credentials", "pointer", "words"),
    [
        ({}, "/target/credentials", "names neither secretArn nor iamUser"),
        ({"secretArn": "arn:aws:secretsmanager:eu-central-1:111111111111:secret:x", "iamUser": "a"}, "/target/credentials", "names both"),
        ({"secretArn": "hunter2"}, "/target/credentials/secretArn", "must be the ARN of a secret, like arn:"),
        ({"iamUser": "hunter 2"}, "/target/credentials/iamUser", "must be a user of the database"),
        ({"username": "dba", "password": "hunter2"}, "/target/credentials/", "isn't a known key"),
        ("hunter2", "/target/credentials", "must be an object"),
    ],
)
def test_credentials_of_another_form_are_refused_without_being_quoted(world: World, credentials: Any, pointer: str, words: str) -> None:
    with pytest.raises(RestoreRequestInvalid) as caught:
        target({**REQUEST, "target": {"dbInstance": INSTANCE, "credentials": credentials}})

    assert all(line.startswith(pointer) for line in str(caught.value).splitlines())
    assert words in str(caught.value)
    assert "hunter" not in str(caught.value)
