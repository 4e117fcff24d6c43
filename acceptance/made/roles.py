"""IAM roles of the run, each with inline policies alone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from acceptance import tags
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made.kinds import Kind, absent

ROLE = "role"


def create(account: TriedAccount, diary: Diary, name: str, principal: dict[str, str], *statements: dict[str, Any]) -> str:
    """A role that `principal` may assume, with these permissions; its ARN."""
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    diary.note(ROLE, name)
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document(trust), Tags=tags.upper(diary.run))
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="acceptance", PolicyDocument=_document(*statements))
    return str(made["Role"]["Arn"])


@contextmanager
def allowed(account: TriedAccount, name: str, *statements: dict[str, Any]) -> Iterator[None]:
    """Give a role these permissions for as long as the block lasts."""
    iam = account.client("iam")
    iam.put_role_policy(RoleName=name, PolicyName="for-a-while", PolicyDocument=_document(*statements))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="for-a-while")


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _remove(account: TriedAccount, name: str) -> None:
    iam = account.client("iam")
    try:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)
    except ClientError as error:
        absent(error, "NoSuchEntity")


def exists(account: TriedAccount, name: str) -> bool:
    """Whether the account has it."""
    try:
        account.client("iam").get_role(RoleName=name)
    except ClientError as error:
        return not absent(error, "NoSuchEntity")
    return True


KINDS = {ROLE: Kind(_remove, exists)}
