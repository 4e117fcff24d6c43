"""Rows of text become policies: places filled in, statements joined where that changes nothing."""

from infrastructure.statements import Statement, policy

PLACES = {"region": "eu-west-3", "account": "111111111111", "vpc": ("vpc-1", "vpc-2")}
HERE = {"StringEquals": {"aws:RequestedRegion": "{region}"}}


def test_a_place_with_several_values_stands_for_each_of_them() -> None:
    in_vpcs = {"ArnEquals": {"ec2:Vpc": "{account}/{vpc}"}, "Bool": {"ec2:Encrypted": "true"}}

    (made,) = policy([Statement(("ec2:RunInstances",), ("{region}/{vpc}", "*"), in_vpcs)], PLACES)["Statement"]

    assert made["Resource"] == ["eu-west-3/vpc-1", "eu-west-3/vpc-2", "*"]
    assert made["Condition"] == {
        "ArnEquals": {"ec2:Vpc": ["111111111111/vpc-1", "111111111111/vpc-2"]},
        "Bool": {"ec2:Encrypted": "true"},
    }


def test_what_is_allowed_on_the_same_under_the_same_conditions_is_one_statement() -> None:
    statements = [
        Statement(("a:One", "a:Two"), conditions=HERE),
        Statement(("a:Two", "a:Three"), conditions=HERE),
        Statement(("a:One",)),
        Statement(("a:One",), ("{region}",), HERE),
    ]

    made = policy(statements, PLACES)["Statement"]

    condition = {"StringEquals": {"aws:RequestedRegion": "eu-west-3"}}
    assert made == [
        {"Effect": "Allow", "Action": ["a:One", "a:Two", "a:Three"], "Resource": ["*"], "Condition": condition},
        {"Effect": "Allow", "Action": ["a:One"], "Resource": ["*"]},
        {"Effect": "Allow", "Action": ["a:One"], "Resource": ["eu-west-3"], "Condition": condition},
    ]


def test_a_statement_about_nothing_is_left_out() -> None:
    """A statement with an empty list of resources is none that IAM takes."""
    secrets = Statement(("secretsmanager:GetSecretValue",), ("{hook_secret}",))

    assert policy((secrets,), {"hook_secret": ()})["Statement"] == []
    assert [one["Resource"] for one in policy((secrets,), {"hook_secret": ("a", "b")})["Statement"]] == [["a", "b"]]
