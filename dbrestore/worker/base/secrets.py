"""The master login of the target server, read from Secrets Manager. Passwords appear in no argument, log or message."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbrestore.contract.errors import RestoreFailed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient


@dataclass(frozen=True)
class Login:
    """A role and its password; the password never shows in a representation."""

    user: str
    password: str = field(repr=False)


def managed_secret(secrets: "SecretsManagerClient", arn: str) -> Callable[[], Login]:
    """Reads the master login `{"username": ..., "password": ...}` from Secrets Manager each time it is called."""

    def read() -> Login:
        try:
            value = json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"])
            return Login(value["username"], value["password"])
        except (KeyError, TypeError, ValueError):
            # The message must not quote the secret.
            raise RestoreFailed(f"{arn} does not hold JSON with username and password") from None

    return read
