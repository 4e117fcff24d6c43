"""boto3 clients of the local cloud itself: what AWS's services use when one calls another.

They carry keys of their own, so nothing here depends on the environment or on a profile of the person at the keyboard.
"""

import os
import threading
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

# Not us-east-1: there the AWS CLI sends `aws rds` to rds.amazonaws.com, whatever AWS_ENDPOINT_URL says (its overridesslcommonname.py).
REGION = "eu-central-1"
ACCOUNT = "123456789012"

# A Lambda function may take 15 minutes; whoever calls it must be more patient than that.
_CONFIG = Config(
    connect_timeout=10, read_timeout=960, retries={"total_max_attempts": 1}, parameter_validation=False,
    max_pool_connections=50, s3={"addressing_style": "path"}, proxies={},
)  # fmt: skip
# No profile, no configuration file, no credentials file: (variable in the file, environment variable, default, conversion).
_NOBODYS = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")} | {
    "profile": (None, None, None, None)
}


class Clients:
    """One client per service and role, made once: making one costs more than the call."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._made: dict[tuple[str, str | None], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, role_arn: str | None = None) -> Any:
        """A client with the account's own keys, or with a session of `role_arn`."""
        key = (service, role_arn)
        credentials: dict[str, Any] = self.credentials(role_arn, "localcloud") if key not in self._made else {}
        with self._lock:
            if key not in self._made:
                nobodys = botocore.session.Session(
                    session_vars={**botocore.session.Session.SESSION_VARIABLES, **_NOBODYS}
                )
                session: Any = boto3.session.Session(region_name=REGION, botocore_session=nobodys, **credentials)
                self._made[key] = session.client(service, endpoint_url=self.endpoint, config=_CONFIG)
            return self._made[key]

    def credentials(self, role_arn: str | None, session_name: str) -> dict[str, Any]:
        """The account's own keys, or those of a new session of the role: keyword arguments of `boto3.session.Session`."""
        if role_arn is None:
            return {"aws_access_key_id": "localcloud", "aws_secret_access_key": "localcloud"}
        given = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session_name[:64])["Credentials"]
        return {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }
