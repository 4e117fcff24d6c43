"""A role reads the secrets that its policies name, by ARN or by tag, and no other; the account's administrator reads all."""

from typing import Any

import pytest

from localcloud.cloud import Cloud
from tests.unit.localcloud.iam.test_accounts import make_role, may, refusal

READER = "arn:aws:iam::123456789012:role/reads-secrets"
EVERY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"


@pytest.fixture(scope="module")
def secrets(cloud: Cloud) -> dict[str, str]:
    """Their ARNs by their names; the one called `marked` has the tag."""
    make_role(cloud, READER, {"Principal": {"Service": "ec2.amazonaws.com"}}, {"Action": "s3:GetObject"})
    owner, made = cloud.client("secretsmanager"), {}
    for name in ("restore/orders", "marked", "others"):
        tags: Any = [{"Key": "dbrestore:credentials", "Value": "true" if name == "marked" else "false"}]
        made[name] = owner.create_secret(Name=name, SecretString=name, Tags=tags)["ARN"]
    return made


def read(cloud: Cloud, arn: str) -> str:
    return str(cloud.client("secretsmanager", READER).get_secret_value(SecretId=arn)["SecretString"])


def test_a_role_reads_what_its_policies_name_by_arn(cloud: Cloud, secrets: dict[str, str]) -> None:
    may(cloud, READER, {"Action": "secretsmanager:GetSecretValue", "Resource": EVERY + "restore/*"})

    assert read(cloud, secrets["restore/orders"]) == "restore/orders"
    for name in ("marked", "others"):
        code, message = refusal(read, cloud, secrets[name])
        assert code == "AccessDeniedException"
        assert f"secretsmanager:GetSecretValue on resource: {secrets[name]}" in message


def test_a_role_reads_what_its_policies_name_by_tag(cloud: Cloud, secrets: dict[str, str]) -> None:
    condition = {"StringEquals": {"aws:ResourceTag/dbrestore:credentials": "true"}}
    may(cloud, READER, {"Action": "secretsmanager:GetSecretValue", "Resource": EVERY + "*", "Condition": condition})

    assert read(cloud, secrets["marked"]) == "marked"
    assert refusal(read, cloud, secrets["others"])[0] == "AccessDeniedException"


def test_the_owner_reads_everything(cloud: Cloud, secrets: dict[str, str]) -> None:
    owner = cloud.client("secretsmanager")

    assert [owner.get_secret_value(SecretId=arn)["SecretString"] for arn in secrets.values()] == list(secrets)
