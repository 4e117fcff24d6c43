"""How the worker logs in to the target server: by a secret of Secrets Manager, or by a token of IAM that lives 15 minutes.

Invariant: passwords and tokens appear in no argument, log, document or message; what is wrong with a secret is told without its value.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dbrestore.contract.allowed import credentials as allowed
from dbrestore.contract.errors import CredentialsNotUsable
from dbrestore.contract.job import DatabaseServer
from dbrestore.contract.names import CREDENTIALS
from dbrestore.contract.refusals import error_code
from dbrestore.worker.base.bounds import USUAL, Bounds

if TYPE_CHECKING:
    from mypy_boto3_rds.client import RDSClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

# What GetSecretValue answers, by its API reference, and what to do about it.
_UNREADABLE: Final = {
    "ResourceNotFoundException": "does not exist (any more), or has no value: put it back, or name another one",
    "InvalidRequestException": "is about to be deleted, or has no current version: aws secretsmanager restore-secret brings it back",
    "AccessDeniedException": (
        f"may not be read by the worker's role: give it the tag {CREDENTIALS} = true, or a name with the TargetStack's prefix, and look "
        "at the secret's own policy and at the policy of its KMS key"
    ),
    "DecryptionFailure": "can't be decrypted: enable its KMS key, and let the worker's role use it through Secrets Manager",
}


@dataclass(frozen=True)
class Login:
    """A role and its password; the password never shows in a representation."""

    user: str
    password: str = field(repr=False)


@dataclass
class Credentials:
    """The login of the user that restores. `read` gets it anew; `told` says where from, and `advice` what to do when the server refuses it.
    `lasts`: it serves every connection until the server refuses it; if not, each connection needs one of its own."""

    read: Callable[[], Login]
    told: str
    advice: str
    lasts: bool = True
    bounds: Bounds = field(default_factory=Bounds)
    _last: Login | None = field(default=None, repr=False)

    def login(self) -> Login:
        """For a new connection. Raises CredentialsNotUsable."""
        if self._last is None or not self.lasts:
            self._last = self.read()
        return self._last

    def attempts(self) -> Iterator[Login]:
        """What to log in with, one after the other, each after the one before was refused. A rotation changes the server and the secret one
        after the other, so the secret is waited for, and not the server asked again and again: it might lock the user. The same login in
        the end: then the server may have been behind. IAM's tokens lock nobody and are shown until the end of the same time.

        Raises CredentialsNotUsable."""
        refused = self.login()
        yield refused
        deadline = time.monotonic() + self.bounds.rotation_seconds
        while True:
            self._last = self.read()
            is_last = time.monotonic() >= deadline
            if is_last or self._last != refused:
                refused = self._last
                yield refused
            if is_last:
                return
            time.sleep(self.bounds.rotation_pause_seconds if self.lasts else self.bounds.token_pause_seconds)


def by_secret(secrets: "SecretsManagerClient", arn: str, bounds: Bounds = USUAL) -> Credentials:  # pragma: allowlist secret
    """JSON with `username` and `password`, as Secrets Manager's own templates for RDS write it; other keys are ignored."""
    advice = (
        "have it rotated (aws secretsmanager rotate-secret), which gives the master user a new password, so that server and secret agree"
        if allowed.is_managed(arn)
        else "put the user's present password into the secret"
    )
    return Credentials(lambda: _read(secrets, arn), f"the password in {arn}", advice, bounds=bounds)


def by_iam(rds: "RDSClient", server: DatabaseServer, bounds: Bounds = USUAL) -> Credentials:
    """A token instead of a password, signed here with the worker's own credentials: no call of AWS, and nothing that could be kept."""
    user = server.iam_user

    def token() -> Login:
        signed = rds.generate_db_auth_token(DBHostname=server.host, Port=server.port, DBUsername=user, Region=server.region)
        return Login(user, signed)

    return Credentials(
        token,
        f"IAM's token for {user!r}",
        "check that IAM database authentication is enabled for the instance, that the user exists and has rds_iam (GRANT rds_iam TO "
        f"{user}), and that the TargetStack lets workers log in as this user",
        lasts=False,
        bounds=bounds,
    )


def _read(secrets: "SecretsManagerClient", arn: str) -> Login:
    try:
        text = secrets.get_secret_value(SecretId=arn).get("SecretString", "")
    except ClientError as error:
        code = error_code(error)
        if code not in _UNREADABLE:
            raise
        raise CredentialsNotUsable(f"the secret {arn} {_UNREADABLE[code]} ({code})") from error
    try:
        value = json.loads(text)
        login = Login(value["username"], value["password"])
    except (KeyError, TypeError, ValueError):
        raise _malformed(arn) from None
    if not (_is_text(login.user) and _is_text(login.password)):
        raise _malformed(arn)
    return login


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _malformed(arn: str) -> CredentialsNotUsable:
    return CredentialsNotUsable(
        f'the secret {arn} does not hold JSON with username and password: write {{"username": ..., "password": ...}}, both texts; other '
        "keys are ignored"
    )
