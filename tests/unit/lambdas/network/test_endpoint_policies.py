"""What the policy of an S3 endpoint lets a worker read: only what is certain is refused."""

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdas.network import endpoint_policies, ways
from lambdas.network.vpc_map import Endpoint, Vpc
from lambdas.network.ways import Caller

BUCKET = "repository"
ALL: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
OURS = f"arn:aws:s3:::{BUCKET}/*"
OTHERS = "arn:aws:s3:::others/*"


def allow(**more: Any) -> dict[str, Any]:
    return ALL | more


def deny(**more: Any) -> dict[str, Any]:
    return ALL | {"Effect": "Deny"} | more


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([allow()], "allows"),
        ([allow(Action="s3:Get*", Resource=[OTHERS, OURS])], "allows"),
        ([allow(Action=["S3:GETOBJECT"], Resource=OURS)], "allows"),
        ([allow(Resource="arn:aws:s3:::repo*")], "perhaps"),
        ([allow(Resource=OTHERS)], "denies"),
        ([allow(Action="s3:PutObject")], "denies"),
        ([], "denies"),
        ([allow(), deny(Resource=OURS)], "denies"),
        ([allow(), deny(Resource=OTHERS)], "allows"),
        ([allow(), deny(NotResource=OURS)], "allows"),
        ([allow(), deny(NotResource=OTHERS)], "denies"),
        ([allow(), deny(NotAction="s3:GetObject")], "allows"),
        ([allow(), deny(Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}})], "perhaps"),
        ([allow(Condition={"StringEquals": {"aws:PrincipalAccount": "1"}})], "perhaps"),
        ([allow(Principal={"AWS": "arn:aws:iam::1:role/x"})], "perhaps"),
        ([allow(Resource=f"arn:aws:s3:::{BUCKET}/reports/*")], "allows"),
        ([allow(), deny(Resource=f"arn:aws:s3:::{BUCKET}/private.key")], "perhaps"),
    ],
)
def test_only_what_is_certain_is_called_so(statements: list[dict[str, Any]], verdict: str) -> None:
    assert endpoint_policies.reading(json.dumps({"Statement": statements}), "aws", BUCKET) == verdict


@pytest.mark.parametrize(("policy", "verdict"), [("", "allows"), ("{", "perhaps"), ("[]", "denies"), ('{"Statement": 7}', "denies")])
def test_no_policy_and_one_that_cannot_be_read(policy: str, verdict: str) -> None:
    assert endpoint_policies.reading(policy, "aws", BUCKET) == verdict


def test_a_single_statement_needs_no_list() -> None:
    assert endpoint_policies.reading(json.dumps({"Statement": ALL}), "aws", BUCKET) == "allows"


def gateway(*statements: dict[str, Any]) -> Endpoint:
    policy = json.dumps({"Statement": list(statements)})
    return Endpoint("vpce-s3", "com.amazonaws.eu-central-1.s3", "Gateway", "available", policy=policy)


CALLER = Caller("eu-central-1", "eu-central-1", ("sg-1",), None, (BUCKET, "evidence"), ("programs",))


def test_buckets_that_nobody_may_read_close_the_endpoint_and_all_are_named() -> None:
    endpoint = gateway(allow(Resource=["arn:aws:s3:::evidence/*", OTHERS]))

    (told,) = ways._denials(CALLER, endpoint, "s3", "eu-central-1")

    assert told == "its policy lets nobody read programs, repository: allow s3:GetObject there for the worker's role"
    assert list(ways._denials(CALLER, endpoint, "ssm", "eu-central-1")) == []
    assert list(ways._denials(replace(CALLER, buckets=(), own_buckets=()), endpoint, "s3", "eu-central-1")) == []


def test_packages_that_are_denied_are_a_remark_and_no_refusal() -> None:
    ours = ["arn:aws:s3:::evidence/*", OURS, "arn:aws:s3:::programs/*"]
    endpoint = gateway(allow(Resource=ours))
    vpc = Vpc("vpc-1", {}, {}, None, {}, (endpoint,), {}, {})  # type: ignore[arg-type]
    service = ways._Service("s3", "eu-central-1", ("vpce-s3",))

    assert list(ways._denials(CALLER, endpoint, "s3", "eu-central-1")) == []
    (told,) = ways._doubts(vpc, [service], CALLER)
    assert "Amazon Linux's packages in al2023-repos-eu-central-1-de612dc2" in told


def test_a_condition_is_a_remark_and_no_refusal() -> None:
    endpoint = gateway(allow(), deny(Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}))
    vpc = Vpc("vpc-1", {}, {}, None, {}, (endpoint,), {}, {})  # type: ignore[arg-type]

    told = list(ways._doubts(vpc, [ways._Service("s3", "eu-central-1", ("vpce-s3",))], CALLER))

    assert list(ways._denials(CALLER, endpoint, "s3", "eu-central-1")) == []
    assert "may keep the worker from programs, repository, evidence: look at it" in told[0]
