"""The secrets that hooks are signed with, read from Secrets Manager and kept for some minutes; they stand in no log and in no error."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from aws_lambda_powertools.utilities.parameters.secrets import SecretsProvider

from dbrestore.contract.limits import HOOK_SECRET_SECONDS
from lambdas.entrances.hooks import signatures
from lambdas.entrances.hooks.signatures import Scheme, SecretUnusable
from lambdas.runtime.aws import ControlAccount
from lambdas.runtime.telemetry import log


@dataclass(frozen=True)
class Keys:
    """Those that can be used. `lacking`: some can't, so that a signature which fits none of these may be right all the same."""

    keys: tuple[bytes, ...]
    lacking: bool


def keys_of(scheme: Scheme, arns: Sequence[str]) -> Keys:
    """What these secrets sign with. One that can't be read or used is told in the log, by its name."""
    found = [_key(scheme, arn) for arn in arns]
    return Keys(tuple(key for key in found if key is not None), None in found)


@cache
def provider() -> SecretsProvider:
    """One per process: it keeps what it has read."""
    return SecretsProvider(boto3_client=ControlAccount().secretsmanager)


def _key(scheme: Scheme, arn: str) -> bytes | None:
    name = arn.rpartition(":")[2]
    try:
        value = provider().get(arn, max_age=HOOK_SECRET_SECONDS)
        if not isinstance(value, str):
            raise SecretUnusable("is no text: store it as a string")
        return signatures.key_of(scheme, value)
    except GetParameterError as error:
        log.error("the secret %s of a hook can't be read: %s", name, error)
    except SecretUnusable as error:
        log.error("the secret %s of a hook %s", name, error)
    return None
