"""IAM roles as moto keeps them, in every account: whom they trust, what they may do, and whose session a key is of."""

import json
from collections.abc import Mapping
from typing import Any

from moto.iam.exceptions import NotFoundException
from moto.iam.models import get_account_id_from, iam_backends
from moto.sts.models import sts_backends

from localcloud.iam.access_policies import Statement, statements

# AWS Organizations makes it in every account that it opens (User Guide, "Accessing member accounts").
OWNER = "OrganizationAccountAccessRole"
_SESSION_SECONDS = 3600
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def find(arn: str) -> Any:
    """moto's role, or None."""
    try:
        _, partition, service, _, account, _ = arn.split(":", 5)
        return iam_backends[account][partition].get_role_by_arn(arn) if service == "iam" else None
    except (NotFoundException, ValueError, KeyError):
        return None


def permissions(role: Any) -> list[Statement]:
    """What its policies say, inline and attached."""
    managed = (version.document for policy in role.managed_policies.values() for version in policy.versions if version.is_default)
    return statements(*role.policies.values(), *managed)


def session(arn: str, name: str) -> dict[str, str]:
    """Keys of a new session, which a service of AWS opens for itself: no call, so nobody judges it. See `keys`."""
    _, partition, _, _, account, _ = arn.split(":", 5)
    made = sts_backends[account][partition].assume_role("aws-global", name[:64], arn, None, _SESSION_SECONDS, None)
    return keys(
        {
            "AccessKeyId": made.access_key_id,
            "SecretAccessKey": made.secret_access_key,
            "SessionToken": made.session_token,
        }
    )


def keys(given: Mapping[str, str]) -> dict[str, str]:
    """STS's credentials as keyword arguments of `boto3.session.Session`."""
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def session_of(access_key: str) -> Any:
    """moto's session that the key is of; None for keys of an account's owner."""
    accounts = sts_backends[get_account_id_from(access_key)]
    found = (one.get_assumed_role_from_access_key(access_key) for one in list(accounts.values()))
    return next(filter(None, found), None)


def join_organisation(account: str, owner: str) -> str:
    """The role with which the owner's account rules this one, made if it isn't there: its ARN."""
    arn = f"arn:aws:iam::{account}:role/{OWNER}"
    if find(arn) is None:
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{owner}:root"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        iam = iam_backends[account]["aws"]
        iam.create_role(OWNER, document, "/", None, "", [], str(_SESSION_SECONDS))
        iam.put_role_policy(OWNER, "everything", json.dumps(_EVERYTHING))
    return arn
