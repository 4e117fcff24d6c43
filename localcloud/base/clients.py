"""boto3 clients of the local cloud itself: what AWS's services use when one calls another, and what its owner uses.

They carry keys of their own, so nothing here depends on the environment or on a profile of the person at the keyboard. Any other account
is a member of the first one's organisation: its owner is reached as in AWS Organizations, by a role that lies there.
"""

import os
import threading
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from localcloud.iam import roles

# Not us-east-1: there the AWS CLI sends `aws rds` to rds.amazonaws.com, whatever AWS_ENDPOINT_URL says (its overridesslcommonname.py).
REGION = "eu-central-1"
ACCOUNT = "123456789012"

# A Lambda function may take 15 minutes; whoever calls it must be more patient than that.
_CONFIG = Config(
    connect_timeout=10,
    read_timeout=960,
    retries={"total_max_attempts": 1},
    parameter_validation=False,
    max_pool_connections=50,
    s3={"addressing_style": "path"},
    proxies={},
)
# No profile, no configuration file, no credentials file: (variable in the file, environment variable, default, conversion).
_NOBODYS = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")} | {"profile": (None, None, None, None)}


@dataclass(frozen=True)
class Place:
    """An account and a Region of it."""

    account: str = ACCOUNT
    region: str = REGION


HOME = Place()


class Clients:
    """One client per service, role and place, made once: making one costs more than the call."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._made: dict[tuple[str, str | None, Place], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, role_arn: str | None = None, place: Place = HOME) -> Any:
        """A client in this Region, with the keys of the account's owner or with a session of `role_arn`."""
        key = (service, role_arn, place)
        credentials: dict[str, Any] = self._keys(role_arn, place.account) if key not in self._made else {}
        with self._lock:
            if key not in self._made:
                nobodys = botocore.session.Session(session_vars={**botocore.session.Session.SESSION_VARIABLES, **_NOBODYS})
                session: Any = boto3.session.Session(region_name=place.region, botocore_session=nobodys, **credentials)
                self._made[key] = session.client(service, endpoint_url=self.endpoint, config=_CONFIG)
            return self._made[key]

    def _keys(self, role_arn: str | None, account: str) -> dict[str, Any]:
        if role_arn:
            return roles.session(role_arn, "localcloud")
        if account == ACCOUNT:
            return {"aws_access_key_id": "localcloud", "aws_secret_access_key": "localcloud"}  # nosec B105 - of no account
        owner = roles.join_organisation(account, ACCOUNT)
        return roles.keys(self.client("sts").assume_role(RoleArn=owner, RoleSessionName="localcloud")["Credentials"])
