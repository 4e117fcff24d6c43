"""The instance as a target: what the plan would refuse, its credentials and the key of a secret, its certificate and its space."""

from collections.abc import Iterator
from datetime import timedelta

from dbrestore.contract import limits
from dbrestore.contract.errors import CredentialsNotUsable
from lambdas.doctor.findings import Check, Outcome, doubtful, fine, unseen, wrong
from lambdas.doctor.sides import InstanceSide, TargetSide
from lambdas.lookup import clusters
from lambdas.lookup import target as target_lookup
from lambdas.planning.findings import gib

NO_CREDENTIALS = "no credentials can be used, as reported above"
# No word of --manage-master-user-password: that changes the master user's password at once.
CREDENTIALS_FIX = "do what the finding says; docs/deploying.md says what a restore can log in with"


def present(target: TargetSide) -> Iterator[Outcome]:
    """The instance, or the cluster, that the question names is there."""
    instance = target.instance
    told = f"{instance['Engine']} {instance['EngineVersion']}, {instance['DBInstanceClass']}"
    if writer := clusters.writer_of(instance):
        told += f", a cluster in which {writer} writes now"
    yield fine(told, instance["DBInstanceIdentifier"])


def usable(patient: InstanceSide) -> Iterator[Outcome]:
    """All that the plan asks of an instance, in its words: its kind, status, shield, group list."""
    target_lookup.engine_of(patient.instance)
    problems = target_lookup.instance_problems(patient.instance)
    yield from (wrong(f"{patient.name} {sentence}", patient.name, _fix(sentence)) for sentence in problems)
    target_lookup.require_available(patient.instance, timedelta())
    if not problems:
        yield fine(f"is {patient.instance['DBInstanceStatus']} and takes part", patient.name)


def _fix(sentence: str) -> str:
    return sentence.rpartition(": ")[2]


def engine(patient: InstanceSide) -> Iterator[Outcome]:
    """An engine that restores know, in a version that they go into."""
    family = target_lookup.engine_of(patient.instance)
    target_lookup.require_supported(patient.instance, family)
    yield fine(f"{family} {patient.instance['EngineVersion']}", patient.name)


def credentials(patient: InstanceSide) -> Iterator[Outcome]:
    """What a restore logs in with unless its request says otherwise: it is there, will stay, and a worker may read it. Its value stays
    where it is."""
    chosen = patient.credentials
    if chosen.iam_user:
        yield fine(f"workers log in as {chosen.iam_user} with tokens of IAM, by {chosen.by}", patient.name)
        return
    managed = patient.instance.get("MasterUserSecret", {})
    status = managed.get("SecretStatus", "active") if managed.get("SecretArn") == chosen.secret_arn else "active"
    if status in ("active", "rotating"):
        yield fine(f"is {status}, by {chosen.by}", chosen.secret_arn)
    else:
        yield wrong(f"RDS calls it {status}", chosen.secret_arn)


def key(patient: InstanceSide) -> Iterator[Outcome]:
    """The KMS key of the secret is enabled."""
    try:
        key_id = patient.credentials.kms_key_id
    except CredentialsNotUsable:
        yield unseen(NO_CREDENTIALS, patient.name)
        return
    if not key_id:
        yield fine("there is none, or it is Secrets Manager's own", patient.name)
        return
    client = patient.target.client("kms")
    try:
        state = client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]
    except client.exceptions.NotFoundException:
        yield wrong("does not exist", key_id)
        return
    yield (fine("is enabled", key_id) if state == "Enabled" else wrong(f"is {state}: no worker can read the secret", key_id))


def certificate(patient: InstanceSide) -> Iterator[Outcome]:
    """The end of the instance's own certificate: afterwards no worker trusts it."""
    told = patient.instance.get("CertificateDetails", {}).get("ValidTill")
    if told is None:
        yield unseen("RDS does not say when it expires", patient.name, "look at it in the RDS console")
        return
    left = told - patient.now()
    if left < timedelta():
        yield wrong(f"ended on {told:%Y-%m-%d}", patient.name)
    elif left < timedelta(days=limits.CERTIFICATE_WARNING_DAYS):
        yield doubtful(f"ends on {told:%Y-%m-%d}", patient.name)
    else:
        yield fine(f"is valid until {told:%Y-%m-%d}", patient.name)


def storage(patient: InstanceSide) -> Iterator[Outcome]:
    """Free storage. How much a restore needs the plan says; here a full disk is told."""
    found = target_lookup.free_storage(patient.target.account, patient.instance, patient.now())
    if found.free is None:
        yield fine(found.note or "has no bound", patient.name)
        return
    allocated = patient.instance["AllocatedStorage"] * 1024**3
    told = f"{gib(found.free)} of {gib(allocated)} are free"
    if found.note:
        yield unseen(f"{found.note}", patient.name, "check whether CloudWatch gets the instance's metrics")
    elif found.free < limits.LEAST_FREE_STORAGE * allocated:
        yield doubtful(told, patient.name)
    else:
        yield fine(told, patient.name)


INSTANCE: Check[TargetSide] = Check("instance", "the instance", "name an instance of that account and Region", present, is_vital=True)
CHECKS: tuple[Check[InstanceSide], ...] = (
    Check("instance-usable", "the instance as a target", "start again when it is available", usable, is_vital=True),
    Check("engine", "the engine", "restore into an RDS instance of PostgreSQL or SQL Server", engine),
    Check("credentials", "the credentials", CREDENTIALS_FIX, credentials),
    Check("secret-key", "the secret's KMS key", "enable the key, or give the secret another one", key),
    Check("server-certificate", "the instance's certificate", "aws rds modify-db-instance --ca-certificate-identifier", certificate),
    Check("free-storage", "free storage", "grow the instance's storage", storage, is_vital=True),
)
