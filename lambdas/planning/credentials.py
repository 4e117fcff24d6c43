"""With which credentials the worker will log in, by reference, and whether it will be able to read them.

The request decides; without it the first rule of the credential configuration that fits the instance; without one the master secret that
RDS manages; without that the restore is refused. Nothing here ever reads a secret's value: its description says whether it exists and will
stay, and its tags or its name whether the worker's role may read it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from dbrestore.contract import names
from dbrestore.contract.allowed import credentials as allowed
from dbrestore.contract.errors import CredentialsNotUsable, RestoreError
from dbrestore.contract.manifest import Engine
from dbrestore.contract.refusals import error_code
from dbrestore.contract.request_problems import Problems
from lambdas.configuration import credentials as credential_configuration
from lambdas.lookup import clusters, instance_kinds
from lambdas.lookup import target as target_lookup
from lambdas.lookup.target import POINTER, Offer
from lambdas.planning.findings import Findings, Place
from lambdas.runtime.aws import TargetAccount

if TYPE_CHECKING:
    from mypy_boto3_rds.type_defs import DBInstanceTypeDef
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef

# Whether users of the engine can log in with IAM's tokens (RDS User Guide, "IAM database authentication").
ENGINES: Final[dict[Engine, bool]] = {"postgres": True, "sqlserver": False}
MANAGED_BY_RDS = "RDS, which manages the master secret"
NONE_KNOWN = (
    "has no credentials for a restore: name a secret in the request (target.credentials.secretArn) or by a rule in "
    "configuration/credentials.json, or for PostgreSQL a user of IAM (target.credentials.iamUser). A master secret that RDS manages "
    "(modify-db-instance --manage-master-user-password) would do as well, but turning that on gives the master user a new password at once "
    "and every 7 days, and forbids blue/green deployments and, but for SQL Server, read replicas"
)


@dataclass(frozen=True)
class Credentials:
    """One of `secret_arn` and `iam_user`; `by` says who decided, `kms_key_id` is the secret's own key."""

    by: str
    pointer: str = POINTER
    secret_arn: str = ""
    iam_user: str = ""
    kms_key_id: str | None = None
    notes: tuple[str, ...] = ()


def part(found: Findings, place: Place, engine: Engine | None, problems: Problems) -> Credentials | None:
    """The credentials, looked at; None if there are none or they can't be used, which is told."""
    target, instance = found.target, found.instance
    # What an instance lacks that nothing can be restored into, nobody has to give it.
    if target is None or instance is None or instance_kinds.refusal(instance):
        return None
    chosen = problems.collect(POINTER, lambda: choose(found, place, instance))
    if chosen is None:
        return None
    return problems.collect(chosen.pointer, lambda: checked(target, instance, place, engine, chosen))


def choose(found: Findings, place: Place, instance: "DBInstanceTypeDef") -> Credentials:
    """By the order above. Raises CredentialsNotUsable if nothing names any, CredentialConfigurationInvalid."""
    asked = found.request.target.credentials
    # With neither of the two it is told already.
    if asked and (asked.secret_arn or asked.iam_user):
        key = "secretArn" if asked.secret_arn else "iamUser"
        return Credentials("the request", f"/target/credentials/{key}", asked.secret_arn or "", asked.iam_user or "")
    return without_request(found.surroundings.settings.credential_configuration, place, instance)


def without_request(configuration: str | None, place: Place, instance: "DBInstanceTypeDef") -> Credentials:
    """What holds for every restore into the instance that asks for nothing else. Raises as `choose` does."""
    name = instance["DBInstanceIdentifier"]
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("TagList", [])}
    rules = credential_configuration.deployed(configuration)
    if fitting := rules.rule_for(name, tags, place.account, place.region):
        number, rule = fitting
        by = f"rule {number} of configuration/credentials.json"
        return Credentials(by, secret_arn=rule.secret_of(name), iam_user=rule.iam_user or "")
    managed = instance.get("MasterUserSecret", {})
    if arn := managed.get("SecretArn"):
        return Credentials(MANAGED_BY_RDS, secret_arn=arn, kms_key_id=managed.get("KmsKeyId"))
    raise CredentialsNotUsable(f"{name} {NONE_KNOWN}")


def checked(target: TargetAccount, instance: "DBInstanceTypeDef", place: Place, engine: Engine | None, chosen: Credentials) -> Credentials:
    """What is known of them besides. Raises CredentialsNotUsable if a worker can't log in with them."""
    if chosen.iam_user:
        return by_iam(target, instance, engine, chosen)
    return by_secret(target, place, chosen)


def by_iam(target: TargetAccount, instance: "DBInstanceTypeDef", engine: Engine | None, chosen: Credentials) -> Credentials:
    """Raises CredentialsNotUsable if nobody can log in to the instance as that user with IAM's tokens."""
    name, user = instance["DBInstanceIdentifier"], chosen.iam_user
    if engine and not ENGINES[engine]:
        raise CredentialsNotUsable(f"{name}: {chosen.by} names the user {user} of IAM, which only PostgreSQL has: name a secret")
    if not instance.get("IAMDatabaseAuthenticationEnabled"):
        command = "modify-db-cluster" if clusters.is_cluster(instance["DBInstanceArn"]) else "modify-db-instance"
        raise CredentialsNotUsable(
            f"{name} has IAM database authentication switched off, and {chosen.by} names the user {user} of IAM: switch it on "
            f"({command} --enable-iam-database-authentication), or name a secret"
        )
    offered = _offer(target)
    if offered and offered.iam_user != user:
        others = f"as {offered.iam_user}" if offered.iam_user else "as nobody"
        raise CredentialsNotUsable(
            f"{name}: {chosen.by} names the user {user} of IAM, and the TargetStack lets workers log in {others}: name that user, or "
            f"deploy the TargetStack with the parameter IamUser={user}"
        )
    note = f"The worker logs in as {user} with tokens of IAM; whether that user exists and has rds_iam, no plan can see"
    return Credentials(chosen.by, chosen.pointer, iam_user=user, notes=(note,))


def by_secret(target: TargetAccount, place: Place, chosen: Credentials) -> Credentials:
    """The secret with its full ARN and its key. Raises CredentialsNotUsable if the worker won't be able to read it."""
    named, told = chosen.secret_arn, f"the secret {chosen.secret_arn}, named by {chosen.by},"
    if named.startswith("arn:") and allowed.place_of(named) != (place.region, place.account):
        raise CredentialsNotUsable(
            f"{told} isn't in the target's Region and account, {place.region} of {place.account}: keep a secret there, for the worker"
        )
    described = _described(target, named, told)
    if gone := described.get("DeletedDate"):
        raise CredentialsNotUsable(f"{told} is scheduled for deletion on {gone:%Y-%m-%d}: aws secretsmanager restore-secret brings it back")
    _require_readable(target, described, told)
    return Credentials(chosen.by, chosen.pointer, described["ARN"], kms_key_id=described.get("KmsKeyId") or chosen.kms_key_id)


def _described(target: TargetAccount, named: str, told: str) -> "DescribeSecretResponseTypeDef":
    try:
        return target.secretsmanager.describe_secret(SecretId=named)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            raise CredentialsNotUsable(f"{told} does not exist: create it, or name another one") from error
        if error_code(error) != "AccessDeniedException":
            raise
        raise CredentialsNotUsable(
            f"{told} may not be looked at by the target's role: deploy the TargetStack of this version, and look at the secret's own policy"
        ) from error


def _require_readable(target: TargetAccount, described: "DescribeSecretResponseTypeDef", told: str) -> None:
    """By the rule of the worker's role in the TargetStack; what policies of the secret and its key say is not looked at here."""
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", [])}
    if allowed.is_managed(described["ARN"]) or tags.get(names.CREDENTIALS) == "true":
        return
    offered = _offer(target)
    prefix = offered.credential_prefix if offered else ""
    if offered is None or (prefix and described["Name"].startswith(prefix)):
        return
    also = f", or a name that begins with {prefix}" if prefix else ""
    raise CredentialsNotUsable(
        f"{told} may not be read by the worker's role: give it the tag {names.CREDENTIALS} = true{also} (aws secretsmanager tag-resource)"
    )


def _offer(target: TargetAccount) -> Offer | None:
    """None if there is no TargetStack: that is told already."""
    try:
        return target_lookup.offer(target)
    except RestoreError:
        return None
