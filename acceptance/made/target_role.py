"""The target role as the functions have it: the run's own role bears a function's name, so the target role trusts it, and what a session of
it may do is narrowed to a function's actions.
"""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from acceptance import waiting
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import roles
from dbrestore.contract.refusals import error_code
from infrastructure import names
from infrastructure.functions import FUNCTIONS
from infrastructure.statements import session_policy

# IAM is eventually consistent: a new role may be unknown for some seconds.
KNOWN_WITHIN = 3.0


def create(account: TriedAccount, diary: Diary) -> str:
    """The role that stands for a function's; its ARN."""
    name = f"{account.named(names.FUNCTION_ROLE)}-Acceptance-{account.here}"
    may_assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": _target_role(account)}
    anybody_here = {"AWS": f"arn:{account.partition}:iam::{account.number}:root"}
    return roles.create(account, diary, name, anybody_here, may_assume)


def session(account: TriedAccount, role: str, external_id: str, *functions: str) -> boto3.Session:
    """A session of the target role with what these functions may do there, for an hour at most. Raises waiting.TookTooLong."""
    statements = [statement for row in FUNCTIONS if row.state in functions for statement in row.target]
    as_function = _known(account.client("sts"), RoleArn=role)
    sts = _session(account, as_function).client("sts")
    asked = {"ExternalId": external_id, "Policy": session_policy(statements)}
    return _session(account, _known(sts, RoleArn=_target_role(account), **asked))


def client(session_: boto3.Session, service: str) -> Any:
    """A client that tries again what AWS asks to."""
    return session_.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 6}))  # type: ignore[call-overload]


def _target_role(account: TriedAccount) -> str:
    return f"arn:{account.partition}:iam::{account.number}:role/{account.named(names.TARGET_ROLE)}-{account.here}"


def _session(account: TriedAccount, credentials: dict[str, Any]) -> boto3.Session:
    made = boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=account.here,
    )
    account.calls.listen(made)
    return made


def _known(sts: Any, **asked: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = sts.assume_role(RoleSessionName="acceptance", **asked)["Credentials"]
        except ClientError as error:
            if error_code(error) != "AccessDenied":
                raise
            return None
        return answer

    return waiting.until(look, KNOWN_WITHIN, f"{asked['RoleArn']} may be assumed")
