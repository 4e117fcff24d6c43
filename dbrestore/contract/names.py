"""Names, tags and tokens of everything that is made, derived from the restore's id alone, so that the intent to make a thing is enough to
find it."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    # For the type alone: the worker asks for names too, and has no use for plans.
    from mypy_boto3_ec2.type_defs import FilterTypeDef, TagTypeDef

    from dbrestore.contract.anchor import Whereabouts

RESTORE_ID = "dbrestore:restore-id"
MANAGED = "dbrestore:managed"
EXPIRES_AT = "dbrestore:expires-at"
ROLE = "dbrestore:role"
INSTALLATION = "dbrestore:installation"
STANDING = "dbrestore:standing"
ALLOW = "dbrestore:allow"
# On a secret: with the value `true` workers may read it.
CREDENTIALS = "dbrestore:credentials"

# RDS's own: the option with which an instance restores native backups, and its setting that names the role to read them with.
NATIVE_OPTION = "SQLSERVER_BACKUP_RESTORE"
NATIVE_ROLE_SETTING = "IAM_ROLE_ARN"

# Where in the evidence bucket workers find the certificates by which they know the databases, and where AWS has them for everybody (Amazon
# RDS User Guide, "Using SSL/TLS to encrypt a connection to a DB instance or cluster").
CA_BUNDLE_KEY = "certificates/rds-ca.pem"
RDS_CERTIFICATES = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"


def restore_id(execution_arn: str) -> str:
    """The id of the restore that an execution is: `r-` and 12 hexadecimal digits."""
    return "r-" + sha256(execution_arn.encode()).hexdigest()[:12]


def resource_name(restore: str, role: str) -> str:
    """`dbrestore-<restore id>-<role>`."""
    return f"dbrestore-{restore}-{role}"


def temporary_database(restore: str, number: int) -> str:
    """What a database is called while it is built, and a drill's copy for good; the number counts from 1. No request may ask for it."""
    return f"dbrestore_{restore.removeprefix('r-')}_{number}"


def exchanged(name: str, word: Literal["new", "old"], restore: str, fits: Callable[[str], bool]) -> str:
    """`orders_old_0123456789ab`: what a database is called that waits for a name, or had to give it up. A name is shortened until the
    result fits the engine's length."""
    suffix = f"_{word}_{restore.removeprefix('r-')}"
    while not fits(name + suffix):
        name = name[:-1]
    return name + suffix


def asking_user(restore: str) -> str:
    """The user without a login that asks checks of a SQL Server database. It exists in transactions alone that are rolled back."""
    return f"dbrestore_{restore.removeprefix('r-')}_asks"


def staging_bucket(owner: str, generation: int, account: str, region: str) -> str:
    """A temporary bucket in the account-regional namespace: no other account can take the name, also after its deletion. `owner`: the
    prefix of the installation."""
    return f"{owner}-staging-g{generation}-{account}-{region}-an"


# Here S3 has no account-regional namespace (Amazon S3 User Guide, "Namespaces for general purpose buckets").
WITHOUT_ACCOUNT_REGIONAL_NAMES = frozenset({"me-central-1", "me-south-1"})


def generation_of(owner: str, bucket: str, account: str, region: str) -> int:
    """Which generation's temporary bucket of this installation, account and Region the name is; 0 if it is none."""
    number = bucket.removeprefix(f"{owner}-staging-g").partition("-")[0]
    return int(number) if number.isdecimal() and bucket == staging_bucket(owner, int(number), account, region) else 0


def installation(arn: str) -> str:
    """Whose a thing is: `<control account>/<Region>/<state machine>`, from the ARN of the machine or of an execution of it."""
    _, _, _, region, account, _, machine = arn.split(":")[:7]
    return f"{account}/{region}/{machine}"


def prefix(arn: str) -> str:
    """How the names of an installation's parts begin, which is how its machine is called; from the same ARNs."""
    return installation(arn).rpartition("/")[2]


def standing(owner: str) -> str:
    """The value of the tag STANDING on the group that all workers of an installation have. The first installation's has no name in it."""
    return "worker" if owner == "dbrestore" else f"{owner}-worker"


def client_token(restore: str, role: str, attempt: int) -> str:
    """64 hexadecimal digits, the longest that EC2 takes; another attempt is another launch."""
    return sha256(f"{restore}/{role}/{attempt}".encode()).hexdigest()


def tags(where: "Whereabouts", role: str, name: str) -> "list[TagTypeDef]":
    """The tags of a thing that is made for a restore: those that the worker configuration asks for, and ours, which count when both have
    the same key. It expires when the worker's longest run time is over."""
    expires_at = where.planned_at + timedelta(minutes=where.worker.max_run_minutes)
    values = {
        **where.worker.tags,
        RESTORE_ID: where.restore_id,
        MANAGED: "true",
        EXPIRES_AT: expires_at.isoformat(),
        ROLE: role,
        INSTALLATION: installation(where.execution_arn),
        "Name": name,
    }
    return [{"Key": key, "Value": value} for key, value in values.items()]


def tagged(restore: str) -> "list[FilterTypeDef]":
    """The filter that finds everything of a restore."""
    return [{"Name": f"tag:{RESTORE_ID}", "Values": [restore]}]


def tag(resource: Mapping[str, Any], key: str) -> str | None:
    """One tag of a described resource."""
    found: Iterable[Mapping[str, str]] = resource.get("Tags") or []
    return next((item["Value"] for item in found if item["Key"] == key), None)
