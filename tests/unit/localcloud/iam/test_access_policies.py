"""How policies are judged: a bucket opens only by what both texts say."""

import json
from typing import Any

import pytest

from localcloud.iam.access_policies import Question, may, may_assume, may_become, statements

ROLE = "arn:aws:iam::111111111111:role/backups"
HOME, ELSEWHERE = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::staging"
LIST = Question(ROLE, "s3:ListBucket", BUCKET, {"s3:prefix": "r-1/1/", "aws:securetransport": "true", "s3:tlsversion": "1.3"})
ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET}
MINE = {**ALLOW, "Principal": {"AWS": ROLE}}


def judge(of_role: list[dict[str, Any]], of_bucket: list[dict[str, Any]], owner: str = HOME) -> bool:
    return may(LIST, statements(json.dumps({"Statement": of_role})), statements(json.dumps({"Statement": of_bucket})), owner)


def test_within_an_account_either_policy_suffices_and_none_does_not() -> None:
    assert judge([ALLOW], [])
    assert judge([], [MINE])
    assert not judge([], [])


def test_over_the_border_of_an_account_both_must_allow() -> None:
    assert judge([ALLOW], [MINE], ELSEWHERE)
    assert not judge([], [MINE], ELSEWHERE)
    assert not judge([ALLOW], [], ELSEWHERE)


@pytest.mark.parametrize("account", [HOME, f"arn:aws:iam::{HOME}:root"])
def test_a_bucket_that_names_the_account_leaves_the_choice_to_the_roles_policies(account: str) -> None:
    named = {**ALLOW, "Principal": {"AWS": [account]}}

    assert not judge([], [named])
    assert judge([ALLOW], [named], ELSEWHERE)


def test_a_denial_wins_wherever_it_stands() -> None:
    deny = {**ALLOW, "Effect": "Deny"}

    assert not judge([ALLOW, deny], [MINE])
    assert not judge([ALLOW], [MINE, {**deny, "Principal": "*"}])
    assert not judge([ALLOW], [MINE, {**deny, "Principal": {"AWS": HOME}}])
    assert judge([ALLOW], [MINE, {**deny, "Principal": {"AWS": "arn:aws:iam::111111111111:role/another"}}])


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "s3:GetObject"},
        {"Action": ["s3:Get*", "s3:Put*"]},
        {"Resource": f"{BUCKET}/*"},
        {"Resource": "arn:aws:s3:::other"},
        {"Principal": {"AWS": "arn:aws:iam::111111111111:role/another"}},
        {"Principal": {"Service": "rds.amazonaws.com"}},
    ],
)
def test_a_statement_about_something_else_opens_nothing(change: dict[str, Any]) -> None:
    assert not judge([], [{**MINE, **change}])


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "s3:*"},
        {"Action": "S3:listbucket"},
        {"Action": ["s3:Get*", "s3:List*"]},
        {"Resource": "*"},
        {"Resource": "arn:aws:s3:::stag?ng"},
        {"Principal": "*"},
        {"Principal": {"AWS": ["arn:aws:iam::1:role/x", ROLE]}},
    ],
)
def test_wildcards_and_lists_are_understood(change: dict[str, Any]) -> None:
    assert judge([], [{**MINE, **change}])


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringLike": {"s3:prefix": "r-1/*"}}, True),
        ({"StringLikeIfExists": {"s3:prefix": ["r-0/*", "r-1/*"]}}, True),
        ({"StringLike": {"s3:prefix": "r-2/*"}}, False),
        ({"StringEquals": {"s3:prefix": "r-1/*"}}, False),
        ({"StringEquals": {"S3:Prefix": "r-1/1/"}}, True),
        ({"StringNotLike": {"s3:prefix": "r-1/*"}}, False),
        ({"StringNotEquals": {"s3:delimiter": "/"}}, True),
        ({"StringLike": {"s3:delimiter": "/"}}, False),
        ({"StringLikeIfExists": {"s3:delimiter": "/"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"StringLike": {"s3:prefix": "r-1/*"}, "Bool": {"aws:SecureTransport": "false"}}, False),
        ({"NumericLessThan": {"s3:max-keys": "10"}}, False),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}}, False),
        ({"NumericGreaterThanEquals": {"s3:TlsVersion": ["1.3"]}}, True),
        ({"NumericNotEquals": {"s3:TlsVersion": "1.3"}}, False),
        ({"DateLessThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}, False),
    ],
    ids=str,
)
def test_conditions_decide_whether_a_statement_counts(condition: dict[str, Any], holds: bool) -> None:
    assert judge([], [{**MINE, "Condition": condition}]) is holds


def test_a_denial_with_a_condition_that_is_not_understood_holds() -> None:
    deny = {**ALLOW, "Effect": "Deny", "Principal": "*"}

    assert not judge([ALLOW], [{**deny, "Condition": {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}}])
    assert judge([ALLOW], [{**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}])


def test_a_role_is_assumed_by_whom_it_names_or_whose_account_it_names_if_they_may_ask() -> None:
    ask = Question(ROLE, "sts:AssumeRole", "arn:aws:iam::111111111111:role/other")
    abroad = Question(ROLE, "sts:AssumeRole", "arn:aws:iam::222222222222:role/other")
    asking = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/other"}
    by_name = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ROLE}}
    by_account = {**by_name, "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}}

    assert may_become(ask, [], [by_name])
    assert not may_become(ask, [], [by_account])
    assert may_become(ask, [asking], [by_account])
    assert not may_become(ask, [asking], [])
    assert not may_become(abroad, [], [by_name])
    assert may_become(abroad, [asking], [by_name])
    assert may_become(abroad, [asking], [by_account])
    assert not may_become(abroad, [asking], [by_account, {**by_name, "Effect": "Deny"}])


def test_a_service_assumes_a_role_that_trusts_it_for_this_instance() -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": ["rds.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    only = {**trust, "Condition": {"ArnLike": {"aws:SourceArn": ["arn:aws:rds:*:*:db:shop"]}}}
    shop = {"aws:sourcearn": "arn:aws:rds:eu-central-1:111111111111:db:shop"}

    assert may_assume([trust], "rds.amazonaws.com", {})
    assert may_assume([only], "rds.amazonaws.com", shop)
    assert not may_assume([only], "rds.amazonaws.com", {"aws:sourcearn": f"{shop['aws:sourcearn']}-2"})
    assert not may_assume([trust, {**trust, "Effect": "Deny"}], "rds.amazonaws.com", {})
    assert not may_assume([trust], "ec2.amazonaws.com", {})
    assert not may_assume([], "rds.amazonaws.com", {})
