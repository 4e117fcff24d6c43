"""What an operator sets in the context (`cdk.json`, or `cdk -c key=value`), checked before anything is synthesised."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from dbrestore.contract.swaps.orders import LONGEST_KEEP_DAYS
from infrastructure import names
from infrastructure.dependencies import ROOT
from lambdas.configuration import access as access_configuration
from lambdas.configuration import adoption as adoption_configuration
from lambdas.configuration import answers as answer_configuration
from lambdas.configuration import credentials as credential_configuration
from lambdas.configuration import drills as drill_configuration
from lambdas.configuration import extensions as extension_configuration
from lambdas.configuration import in_place as in_place_configuration
from lambdas.configuration import sqlserver as sqlserver_configuration
from lambdas.configuration import workers as worker_configuration

OWN_KEY = "own"
# A short prefix would open secrets that have nothing to do with restores.
CREDENTIAL_PREFIX = r"^([A-Za-z0-9/_+=.@-]{3,100})?$"
# IAM takes 64 characters: <prefix>-control-DiscardUnfinishedDatabases-ap-southeast-1 leaves 14. No "-", so that what begins with one
# installation's prefix and a "-" is never another's.
LONGEST_PREFIX = 12
PREFIX = rf"[a-z][a-z0-9]{{2,{LONGEST_PREFIX - 1}}}"
# IAM's own bounds (API Reference of STS, AssumeRole).
EXTERNAL_ID = r"^[\w+=,.@:/-]{2,1224}$"
IAM_USER = r"^([A-Za-z_][A-Za-z0-9_-]{0,62})?$"
# A bucket policy has 20 KiB of room (S3 User Guide, "Bucket policies"); each account takes 34 bytes of every statement for workers.
MOST_TARGET_ACCOUNTS = 100
# S3 User Guide, "Object Lock": a retention period ends after 100 years at the latest.
LONGEST_LOCK_DAYS = 36500
# How long a database that was replaced is kept, unless a request says otherwise.
KEEP_DAYS = 7
KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+"
POLICY_ARN = r"arn:aws[a-z-]*:iam::(aws|\d{12}):policy/[\w+=,.@/-]{1,511}"


@dataclass(frozen=True)
class Settings:
    """`external_id`: with it the functions assume a target's role.
    `target_accounts`: other accounts, whose workers read this repository and write this evidence. `encryption_key`: "" for S3's own
    encryption, OWN_KEY for a KMS key that the ControlStack makes, or the ARN of a key. `worker_configuration`,
    `extension_configuration`, `sqlserver_configuration`, `credential_configuration` and `drill_configuration`: the files that the functions
    take with them.
    What workers may log in with (`credentialPrefix`, `iamUser`) is checked here and read by the TargetStack. `tracing`: whether
    the functions and the state machine send traces to X-Ray, which costs money. `alarm_addresses`: who gets mail when an alarm rings,
    `restore_addresses` when a restore or a drill ended. `dashboard`: whether there is one in CloudWatch, which costs money.
    `repository_lock_days`, `evidence_lock_days`: how long S3's Object Lock keeps every version in the two buckets, 0 for not at all.
    `prefix`: how the names of everything begin; two installations in one account and Region have two.
    `permissions_boundary`: the ARN of the policy that bounds every role of the ControlStack, "" for none.
    `access_configuration`: who may call the HTTP API; with a caller in it there is one. `api_access_log`: whether API Gateway logs each
    call, for which the account needs a role. `api_vpc_endpoints`: with them the API is reached through these alone. `api_web_acl`: the ARN
    of a firewall for it, "" for none. `answer_configuration`: which other systems are told of restores; no function reads it.
    `swap_keep_days`: for so long a database that was replaced is kept. `adoption_configuration`: which backups become restore points as
    they arrive."""

    target_accounts: tuple[str, ...] = ()
    encryption_key: str = ""
    external_id: str = ""
    worker_configuration: Path = worker_configuration.DEPLOYED
    extension_configuration: Path = extension_configuration.DEPLOYED
    sqlserver_configuration: Path = sqlserver_configuration.DEPLOYED
    credential_configuration: Path = credential_configuration.DEPLOYED
    drill_configuration: Path = drill_configuration.DEPLOYED
    tracing: bool = False
    alarm_addresses: tuple[str, ...] = ()
    repository_lock_days: int = 0
    permissions_boundary: str = ""
    prefix: str = names.PRODUCT
    evidence_lock_days: int = 0
    access_configuration: Path = access_configuration.DEPLOYED
    api_access_log: bool = True
    api_vpc_endpoints: tuple[str, ...] = ()
    api_web_acl: str = ""
    restore_addresses: tuple[str, ...] = ()
    dashboard: bool = False
    answer_configuration: Path = answer_configuration.DEPLOYED
    swap_keep_days: int = KEEP_DAYS
    adoption_configuration: Path = adoption_configuration.DEPLOYED
    in_place_configuration: Path = in_place_configuration.DEPLOYED


def read(context: Callable[[str], Any], now: datetime | None = None) -> Settings:
    """The settings; `context` gives a key's value or None, `now` is the time by default. Raises ValueError naming the key, with what to
    write, and ConfigurationInvalid with everything that is wrong in the file of one of the configurations."""
    letters = "write three or more letters, digits or /_+=.@-, or leave it empty"
    _matching("credentialPrefix", context("credentialPrefix"), CREDENTIAL_PREFIX, letters)
    _matching("iamUser", context("iamUser"), IAM_USER, "write a user's name of letters, digits, _ and -, or leave it empty")
    access = _configuration(context("accessConfiguration"), access_configuration.DEPLOYED, access_configuration.read)
    callers = access_configuration.read(access).names
    return Settings(
        _accounts(str(context("targetAccounts") or "")),
        _key(str(context("encryptionKey") or "")),
        _external_id(str(context("externalId") or "")),
        _configuration(context("workerConfiguration"), worker_configuration.DEPLOYED, worker_configuration.read),
        _configuration(context("extensionConfiguration"), extension_configuration.DEPLOYED, extension_configuration.read),
        _configuration(context("sqlserverConfiguration"), sqlserver_configuration.DEPLOYED, sqlserver_configuration.read),
        _configuration(context("credentialConfiguration"), credential_configuration.DEPLOYED, credential_configuration.read),
        _configuration(
            context("drillConfiguration"), drill_configuration.DEPLOYED, partial(drill_configuration.read, now=now or datetime.now(UTC))
        ),
        _switch("tracing", context("tracing")),
        _addresses("alarmAddresses", context("alarmAddresses")),
        _days("repositoryLockDays", context("repositoryLockDays")),
        _boundary(str(context("permissionsBoundary") or "")),
        prefix(str(context("prefix") or names.PRODUCT)),
        _days("evidenceLockDays", context("evidenceLockDays")),
        access,
        _switch("apiAccessLog", True if context("apiAccessLog") in (None, "") else context("apiAccessLog")),
        _endpoints(str(context("apiVpcEndpoints") or "")),
        _web_acl(str(context("apiWebAcl") or "")),
        _addresses("restoreAddresses", context("restoreAddresses")),
        _switch("dashboard", context("dashboard")),
        _configuration(context("answerConfiguration"), answer_configuration.DEPLOYED, partial(answer_configuration.read, callers=callers)),
        _kept(context("swapKeepDays")),
        _configuration(context("adoptionConfiguration"), adoption_configuration.DEPLOYED, adoption_configuration.read),
        _configuration(context("inPlaceConfiguration"), in_place_configuration.DEPLOYED, in_place_configuration.read),
    )


def _matching(name: str, value: Any, pattern: str, fix: str) -> None:
    if not re.fullmatch(pattern, str(value or "")):
        raise ValueError(f"{name}: {value!r} can't be used: {fix}")


def _accounts(text: str) -> tuple[str, ...]:
    accounts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if wrong := [account for account in accounts if not re.fullmatch(r"\d{12}", account)]:
        raise ValueError(f"targetAccounts: {wrong[0]!r} isn't an account id: write 12 digits, and separate several with commas")
    if len(accounts) > MOST_TARGET_ACCOUNTS:
        raise ValueError(
            f"targetAccounts: {len(accounts)} accounts are more than the {MOST_TARGET_ACCOUNTS} that a bucket policy has room for: "
            "deploy a second ControlStack in another account for the others"
        )
    return accounts


def _addresses(name: str, value: Any) -> tuple[str, ...]:
    addresses = tuple(dict.fromkeys(part.strip() for part in str(value or "").split(",") if part.strip()))
    if wrong := [address for address in addresses if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", address)]:
        raise ValueError(f"{name}: {wrong[0]!r} isn't a mail address: write name@example.com, and separate several with commas")
    return addresses


def _configuration(text: Any, shipped: Path, read_file: Callable[[Path], object]) -> Path:
    path = ROOT / str(text or shipped)
    read_file(path)
    return path


def _switch(name: str, value: Any) -> bool:
    """The CDK's command hands over texts, cdk.json truth values."""
    if value in (None, "", False, "false"):
        return False
    if value in (True, "true"):
        return True
    raise ValueError(f"{name}: {value!r} is neither true nor false")


def _boundary(text: str) -> str:
    if not text or re.fullmatch(POLICY_ARN, text):
        return text
    raise ValueError(f"permissionsBoundary: {text!r} isn't the ARN of a policy (arn:aws:iam::<account>:policy/<name>)")


def _endpoints(text: str) -> tuple[str, ...]:
    endpoints = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if wrong := [one for one in endpoints if not re.fullmatch(r"vpce-[0-9a-f]{8,17}", one)]:
        raise ValueError(f"apiVpcEndpoints: {wrong[0]!r} isn't the id of a VPC endpoint: write vpce-..., and separate several with commas")
    return endpoints


def _web_acl(text: str) -> str:
    if not text or re.fullmatch(r"arn:aws[a-z-]*:wafv2:[a-z0-9-]+:\d{12}:regional/webacl/[\w-]+/[\w-]+", text):
        return text
    raise ValueError(
        f"apiWebAcl: {text!r} isn't the ARN of a regional web ACL (arn:aws:wafv2:<Region>:<account>:regional/webacl/<name>/<id>)"
    )


def _days(name: str, value: Any) -> int:
    text = str(value or 0)
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > LONGEST_LOCK_DAYS:
        raise ValueError(f"{name}: {value!r} isn't a number of days from 0 (no lock) to {LONGEST_LOCK_DAYS}")
    return int(text)


def _kept(value: Any) -> int:
    text = str(value or KEEP_DAYS)
    if not re.fullmatch(r"[1-9]\d{0,2}", text) or int(text) > LONGEST_KEEP_DAYS:
        raise ValueError(f"swapKeepDays: {value!r} isn't a number of days from 1 to {LONGEST_KEEP_DAYS}")
    return int(text)


def prefix(text: str) -> str:
    """An installation's prefix as it is. Raises ValueError with what to write instead."""
    if re.fullmatch(PREFIX, text):
        return text
    raise ValueError(f"prefix: {text!r} can't be used: write 3 to {LONGEST_PREFIX} lower-case letters and digits, a letter first")


def _external_id(text: str) -> str:
    if re.fullmatch(EXTERNAL_ID, text):
        return text
    raise ValueError(f"externalId: {text!r} can't be used: write 2 to 1224 letters, digits or +=,.@:/-, the same for both stacks")


def _key(text: str) -> str:
    if text in ("", OWN_KEY) or re.fullmatch(KEY_ARN, text):
        return text
    raise ValueError(
        f"encryptionKey: {text!r} is neither empty, nor {OWN_KEY!r}, nor the ARN of a KMS key (arn:aws:kms:<Region>:<account>:key/<id>; "
        "policies can't name a key by its alias)"
    )
