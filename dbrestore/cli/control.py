"""Where the control plane is: one SSM parameter that the deployed application writes, so no command needs an ARN or a bucket's name.

The endpoint is boto3's own affair: with AWS_ENDPOINT_URL set, every command talks to the local cloud instead of AWS.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from dbrestore.contract.errors import ControlPlaneNotFound
from dbrestore.ledger.table import Table

DEFAULT_INSTALLATION = "dbrestore"


@dataclass(frozen=True)
class Account:
    """Who calls, and where: the credentials' profile and the Region, those that the AWS CLI would use if None, and the prefix of the
    installation."""

    profile: str | None = None
    region: str | None = None
    installation: str = DEFAULT_INSTALLATION

    @property
    def signpost(self) -> str:
        """The SSM parameter that leads to the installation's parts."""
        return f"/{self.installation}/control"

    @property
    def wanted_region(self) -> str | None:
        """The Region to ask boto3 for; None: the one that it finds. AWS_REGION, by which the AWS CLI and the CDK go before all others (AWS
        SDKs and Tools Reference Guide, "AWS Region"), boto3 doesn't know."""
        return self.region or os.environ.get("AWS_REGION") or None

    @cached_property
    def session(self) -> boto3.Session:
        """The boto3 session that every client comes from."""
        return boto3.Session(profile_name=self.profile, region_name=self.wanted_region)

    def client(self, service: str) -> Any:
        """A client of one AWS service."""
        return self.session.client(service)  # type: ignore[call-overload]

    def caller(self) -> str | None:
        """The ARN of whoever calls; None if STS doesn't answer at once. It needs no permission, but there may be no way to STS."""
        brief = Config(connect_timeout=3, read_timeout=3, retries={"total_max_attempts": 1})
        try:
            return self.session.client("sts", config=brief).get_caller_identity()["Arn"]
        except (ClientError, BotoCoreError):
            return None


@dataclass(frozen=True)
class ControlPlane:
    """The deployed application: its state machine, ledger and buckets; `functions` are the names of those that commands ask questions,
    `api_url` is the stage of its HTTP API, None if it has none. `places_in_place` (s3://bucket/prefix) are where restores may read backups
    that nobody copied, `places_copied` from where else executions may copy them."""

    account: Account
    state_machine_arn: str
    ledger_table: str
    repository_bucket: str
    evidence_bucket: str
    functions: Mapping[str, str] = field(default_factory=dict)
    api_url: str | None = None
    places_in_place: tuple[str, ...] = ()
    places_copied: tuple[str, ...] = ()

    @cached_property
    def executions(self) -> Any:
        """The Step Functions client."""
        return self.account.client("stepfunctions")

    @cached_property
    def ledger(self) -> Table:
        """The ledger's table."""
        return Table(self.account.client("dynamodb"), self.ledger_table)

    @cached_property
    def storage(self) -> Any:
        """The S3 client."""
        return self.account.client("s3")


def find(account: Account) -> ControlPlane:
    """Read the SSM parameter `/<installation>/control`, a JSON object {stateMachineArn, ledgerTable, repositoryBucket, evidenceBucket,
    functions, apiUrl, placesInPlace, placesCopied}.

    Raises ControlPlaneNotFound if it isn't there or nothing answers at the endpoint.
    """
    client = account.client("ssm")
    try:
        text = client.get_parameter(Name=account.signpost)["Parameter"]["Value"]
    except EndpointConnectionError as error:
        raise ControlPlaneNotFound(
            f"Nothing answers at {error.kwargs['endpoint_url']}. Is the local cloud up (`dbrestore local up`)? "
            "For AWS itself, unset AWS_ENDPOINT_URL."
        ) from None
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        raise ControlPlaneNotFound(
            f"There is no SSM parameter {account.signpost} in {client.meta.region_name}: it isn't deployed in this account and Region. "
            "Deploy it, name another with --region, --profile or --installation, or start a local cloud: `dbrestore local up`. Without it "
            "`dbrestore points discover s3://BUCKET` says what of the backups in S3 could be restored."
        ) from None
    return _read(account, text)


def _read(account: Account, text: str) -> ControlPlane:
    try:
        values = json.loads(text)
        return ControlPlane(
            account,
            values["stateMachineArn"],
            values["ledgerTable"],
            values["repositoryBucket"],
            values["evidenceBucket"],
            # A version that had no such functions wrote none.
            dict(values.get("functions", {})),
            values.get("apiUrl"),
            tuple(values.get("placesInPlace", ())),
            tuple(values.get("placesCopied", ())),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ControlPlaneNotFound(
            f"The SSM parameter {account.signpost} can't be read ({error!r}). Deploy dbrestore again: it writes the parameter."
        ) from None
