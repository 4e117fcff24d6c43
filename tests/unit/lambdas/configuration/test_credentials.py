"""The file that says with which credentials restores log in: which rule counts, and everything that is wrong with it at once."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dbrestore.contract.errors import CredentialConfigurationInvalid
from docs import generate
from lambdas.configuration.credentials import DEPLOYED, CredentialConfiguration, deployed, read

EXAMPLE = DEPLOYED.parents[1] / "examples" / "configuration" / "credentials.json"
SCHEMA: dict[str, Any] = json.loads(generate.schema(CredentialConfiguration))
ARN = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:orders-Ab12Cd"
PLACE = ("111111111111", "eu-central-1")


def written(folder: Path, *rules: Any, **more: Any) -> Path:
    path = folder / "credentials.json"
    path.write_text(json.dumps({"rules": rules, **more}))
    return path


def refused(path: Path) -> list[str]:
    with pytest.raises(CredentialConfigurationInvalid) as told:
        read(path)
    return str(told.value).splitlines()


def test_the_shipped_file_has_no_rules_and_names_the_schema_that_editors_read() -> None:
    shipped = json.loads(DEPLOYED.read_text())

    assert deployed().rules == ()
    assert json.loads((DEPLOYED.parent / shipped["$schema"]).read_text()) == SCHEMA


def test_the_example_fits_the_schema_and_says_what_it_says() -> None:
    jsonschema.validate(json.loads(EXAMPLE.read_text()), SCHEMA)
    rules = read(EXAMPLE)

    first, second, third = (
        rules.rule_for("orders-prod", {}, *PLACE),
        rules.rule_for("crm-mssql", {"login": "iam"}, *PLACE),
        rules.rule_for("shop", {"login": "iam"}, *PLACE),
    )

    assert first
    assert second
    assert third
    assert (first[0], first[1].secret_of("orders-prod")) == (1, "restore/orders-prod")
    assert (second[0], second[1].secret_of("crm-mssql")[:26]) == (2, "arn:aws:secretsmanager:eu-")
    assert (third[0], third[1].iam_user) == (3, "dbrestore")
    assert rules.rule_for("shop", {}, *PLACE) is None


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"dbInstance": "orders-*"}, True),
        ({"dbInstance": "ORDERS-prod"}, True),
        ({"dbInstance": "orders-pro?"}, True),
        ({"dbInstance": "orders"}, False),
        ({"tag": {"key": "team", "value": "dba"}}, True),
        ({"tag": {"key": "team", "value": "DBA"}}, False),
        ({"tag": {"key": "Team", "value": "dba"}}, False),
        ({"dbInstance": "*", "tag": {"key": "team", "value": "web"}}, False),
        ({"dbInstance": "*", "account": "222222222222"}, False),
        ({"dbInstance": "*", "region": "eu-west-1"}, False),
        ({"dbInstance": "*", "account": "111111111111", "region": "eu-central-1"}, True),
    ],
)
def test_everything_that_says_which_must_fit(tmp_path: Path, rule: dict[str, Any], fits: bool) -> None:
    rules = read(written(tmp_path, {**rule, "secretName": "x"}))

    assert (rules.rule_for("Orders-prod", {"team": "dba"}, *PLACE) is not None) is fits


def test_the_first_rule_that_fits_counts(tmp_path: Path) -> None:
    rules = read(written(tmp_path, {"dbInstance": "orders-*", "secretArn": ARN}, {"dbInstance": "*", "iamUser": "dbrestore"}))

    found = rules.rule_for("orders-prod", {}, *PLACE)

    assert found
    assert (found[0], found[1].secret_arn) == (1, ARN)


def test_everything_that_is_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"secretArn": ARN},
        {"dbInstance": "a"},
        {"dbInstance": "b", "secretArn": ARN, "iamUser": "dbrestore"},
        {"dbInstance": "c", "secretArn": "hunter2"},
        {"dbInstance": "d", "region": "eu-west-1", "account": "222222222222", "secretArn": ARN},
        {"dbInstance": "B", "secretName": "x"},
        {"dbInstance": "e_f", "secretName": "x y"},
        {"dbInstance": "g", "iamUser": "a b*"},
        {"dbInstance": "h", "password": "hunter2"},
        {"dbInstance": "i", "tag": {"key": "k"}, "secretName": "{instance}"},
    )

    lines = refused(path)
    told = "\n".join(lines)

    for expected in (
        "credentials.json#/rules/0: says of no instance that it is for it",
        "credentials.json#/rules/1: names no credentials: give one of secretArn, secretName, iamUser",
        "credentials.json#/rules/2: names secretArn and iamUser: give one of",
        "credentials.json#/rules/3/secretArn: must be the ARN of a secret",
        "credentials.json#/rules/4/region: is eu-west-1, but the secret is of eu-central-1",
        "credentials.json#/rules/4/account: is 222222222222, but the secret is of 111111111111",
        "credentials.json#/rules/5: is for the same instances as rules/2, which counts",
        "credentials.json#/rules/6/dbInstance: must be the name of an instance",
        "credentials.json#/rules/6/secretName: must be the name of a secret",
        "credentials.json#/rules/7/iamUser: must be a user of the database",
        "credentials.json#/rules/8/password: isn't a known key",
        "credentials.json#/rules/9/tag/value: is missing",
        "credentials.json#/rules/9/secretName: must be the name of a secret, where {dbInstance} stands",
    ):
        assert any(line.startswith(expected) for line in lines), (expected, told)
    assert "hunter2" not in told


def test_a_file_that_holds_no_rules_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{}")

    assert read(path).rules == ()
