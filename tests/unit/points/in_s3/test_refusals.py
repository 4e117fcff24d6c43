"""What S3's refusals become, as S3 words them."""

import pytest
from botocore.exceptions import ClientError

from dbrestore.points.in_s3.refusals import explained

ROLE = "arn:aws:iam::111111111111:role/Backups"
SESSION = "arn:aws:sts::111111111111:assumed-role/Backups/anna"
KEY = "arn:aws:kms:eu-central-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab"
WHY = "because no resource-based policy allows the {action} action"


def told(message: str, code: str = "AccessDenied") -> str:
    return str(explained(ClientError({"Error": {"Code": code, "Message": message}}, "GetObject"), "s3://b/k"))


@pytest.mark.parametrize(("who", "asking"), [(SESSION, ROLE), (ROLE, ROLE), ("arn:aws:iam::111111111111:user/anna",) * 2])
def test_the_key_the_principal_and_the_right_are_named(who: str, asking: str) -> None:
    sentence = told(f"User: {who} is not authorized to perform: kms:Decrypt on resource: {KEY} {WHY.format(action='kms:Decrypt')}")

    assert sentence.startswith(f"s3://b/k: its KMS key {KEY} refuses kms:Decrypt to {who}: account 222222222222 must allow {asking}")
    assert f"a policy of {asking} must, too" in sentence


def test_a_key_of_ones_own_account_needs_its_policy_alone() -> None:
    own = KEY.replace("222222222222", "111111111111")

    assert "must, too" not in told(f"User: {SESSION} is not authorized to perform: kms:Decrypt on resource: {own} {WHY}")


def test_the_repository_s_key_is_not_taken_for_the_source_s() -> None:
    sentence = told(f"User: {SESSION} is not authorized to perform: kms:GenerateDataKey on resource: {KEY} {WHY}")

    assert f"the copy's KMS key {KEY} refuses kms:GenerateDataKey" in sentence


def test_a_disabled_key_is_told_as_kms_says_it() -> None:
    assert f"{KEY} is disabled" in told(f"{KEY} is disabled.", "KMS.DisabledException")
