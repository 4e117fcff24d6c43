"""The account that is tried out: its clients, who calls, whether it is AWS that answers, and the names of the installation in it."""

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from acceptance.calls import Calls
from dbrestore.cli.control import Account
from infrastructure import names

# Of AWS's partitions (botocore's endpoints.json).
AWS_HOSTS = ("amazonaws.com", "amazonaws.com.cn", "api.aws")


@dataclass(frozen=True)
class TriedAccount(Account):
    """The credentials and the Region that the AWS CLI would use, or those of `profile` and `region`; `installation` is the run's own.
    `calls` hears every client."""

    calls: Calls = field(default_factory=Calls)
    _made: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def session(self) -> boto3.Session:
        """The boto3 session that every client comes from."""
        session = boto3.Session(profile_name=self.profile, region_name=self.wanted_region)
        self.calls.listen(session)
        return session

    def client(self, service: str) -> Any:
        """A client of one AWS service, the same each time."""
        if service not in self._made:
            # TestState is asked at `sync-` before the service's name, which another endpoint than AWS's doesn't have.
            config = Config(retries={"mode": "standard", "total_max_attempts": 6}, inject_host_prefix=self.is_aws)
            self._made[service] = self.session.client(service, config=config)  # type: ignore[call-overload]
        return self._made[service]

    @cached_property
    def is_aws(self) -> bool:
        """Whether the endpoint is AWS's own."""
        host = urlsplit(self.session.client("sts").meta.endpoint_url).hostname or ""
        return host.endswith(AWS_HOSTS)

    @cached_property
    def identity(self) -> dict[str, str]:
        """STS's answer: Account and Arn."""
        answer: dict[str, str] = self.client("sts").get_caller_identity()
        return answer

    def now(self) -> float:
        """Seconds since the epoch by AWS's clock, to a second: this computer's may be wrong."""
        answer = self.client("sts").get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]
        return parsedate_to_datetime(answer["date"]).timestamp() if "date" in answer else time.time()

    @property
    def number(self) -> str:
        """The account's twelve digits."""
        return self.identity["Account"]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`."""
        return self.identity["Arn"].split(":")[1]

    def named(self, name: str) -> str:
        """One of `infrastructure.names` as it is in the run's installation."""
        return names.of(self.installation, name)

    @property
    def owner(self) -> str:
        """The value of the tag that tells whose a thing of a restore is."""
        return f"{self.number}/{self.here}/{self.named(names.STATE_MACHINE)}"

    @property
    def here(self) -> str:
        """The Region."""
        return str(self.client("sts").meta.region_name)
