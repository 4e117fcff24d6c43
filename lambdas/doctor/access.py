"""Who is let in to the repository and the evidence: the KMS key of the buckets, and the policies that name a target's account.

Within one account IAM's policies suffice; across accounts the owner's policies must let the caller in too, and the ControlStack writes them
for the accounts that it was deployed with.
"""

import json
from collections.abc import Iterator
from typing import Any

from lambdas.doctor.findings import BACK_TO_TEMPLATE, Check, Outcome, fine, wrong
from lambdas.doctor.sides import ControlSide, TargetSide, client
from lambdas.doctor.storage import default_encryption

NOT_OURS = "S3's own key: there is none to look at"


def key(control: ControlSide) -> Iterator[Outcome]:
    """The key with which each bucket encrypts is enabled."""
    for bucket, key_id in _keys(control):
        if key_id is None:
            yield fine(NOT_OURS, bucket)
            continue
        state = client("kms").describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
        told = f"of {bucket} is {state}"
        yield fine(told, key_id) if state == "Enabled" else wrong(f"{told}: nobody can read what is stored there", key_id)


def _keys(control: ControlSide) -> Iterator[tuple[str, str | None]]:
    settings = control.surroundings.settings
    for bucket in (settings.repository_bucket, settings.evidence_bucket):
        yield bucket, default_encryption(control.surroundings.control.s3, bucket).get("KMSMasterKeyID")


def let_in(target: TargetSide) -> Iterator[Outcome]:
    """The policies of both buckets, and of their key, name the target's account."""
    control, account = target.control, target.control.place.account
    if account == control.account:
        yield fine(f"{account} owns the buckets: IAM alone decides")
        return
    fix = f"deploy the ControlStack with {account} among its targetAccounts"
    for bucket, key_id in _keys(control):
        policy = control.surroundings.control.s3.get_bucket_policy(Bucket=bucket)["Policy"]
        yield _judged(policy, account, bucket, fix)
        if key_id:
            answer = client("kms").get_key_policy(KeyId=key_id, PolicyName="default")
            yield _judged(answer["Policy"], account, key_id, fix)


def _judged(policy: str, account: str, looked_at: str, fix: str) -> Outcome:
    if any(_names(statement, account) for statement in json.loads(policy)["Statement"]):
        return fine(f"allows roles of account {account}", looked_at)
    return wrong(f"doesn't allow account {account}: its workers can't read any backup", looked_at, fix)


def _names(statement: dict[str, Any], account: str) -> bool:
    principal = statement.get("Principal", {})
    listed = principal.get("AWS", []) if isinstance(principal, dict) else []
    named = [listed] if isinstance(listed, str) else listed
    return statement["Effect"] == "Allow" and any(account in one.split(":") for one in named)


KEY: Check[ControlSide] = Check("bucket-key", "the buckets' KMS key", "enable the key, or cancel its deletion", key)
LET_IN: Check[TargetSide] = Check("repository-access", "the target account's access", BACK_TO_TEMPLATE, let_in)
