"""The buckets: repository and evidence as the stack made them, the certificate bundle, and the restore points of an instance."""

import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import limits
from dbrestore.contract.errors import RestorePointNotFound
from dbrestore.contract.names import CA_BUNDLE_KEY, RDS_CERTIFICATES
from dbrestore.contract.refusals import error_code
from dbrestore.points import stored_points
from lambdas.doctor.findings import BACK_TO_TEMPLATE, Check, Outcome, doubtful, fine, wrong
from lambdas.doctor.sides import ControlSide
from lambdas.lookup import source as source_lookup

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
CLOSE = "aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration " + ",".join(
    f"{flag}=true" for flag in FLAGS
)
ANNOUNCE = (
    "aws s3api put-bucket-notification-configuration --bucket {bucket} "
    """--notification-configuration '{{"EventBridgeConfiguration": {{}}}}'"""
)


def _buckets(control: ControlSide) -> Iterator[tuple["S3Client", str]]:
    settings = control.surroundings.settings
    for bucket in (settings.repository_bucket, settings.evidence_bucket):
        yield control.surroundings.control.s3, bucket


def exist(control: ControlSide) -> Iterator[Outcome]:
    """Both buckets are there."""
    for s3, bucket in _buckets(control):
        try:
            s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error_code(error) not in ("404", "NoSuchBucket"):
                raise
            yield wrong("does not exist", bucket)
        else:
            yield fine("is there", bucket)


def private(control: ControlSide) -> Iterator[Outcome]:
    """All four blocks of public access."""
    for s3, bucket in _buckets(control):
        found = _answer(
            lambda s3=s3, bucket=bucket: s3.get_public_access_block(Bucket=bucket),
            "NoSuchPublicAccessBlockConfiguration",
        )
        flags = found.get("PublicAccessBlockConfiguration", {})
        off = [flag for flag in FLAGS if not flags.get(flag)]
        told = f"could become public: {', '.join(off)} {'are' if len(off) > 1 else 'is'} off"
        yield wrong(told, bucket, CLOSE.format(bucket=bucket)) if off else fine("is private", bucket)


def encrypted(control: ControlSide) -> Iterator[Outcome]:
    """A default encryption."""
    for s3, bucket in _buckets(control):
        used = default_encryption(s3, bucket).get("SSEAlgorithm")
        yield fine(f"is encrypted ({used})", bucket) if used else wrong("has no default encryption", bucket)


def default_encryption(s3: "S3Client", bucket: str) -> dict[str, Any]:
    """{SSEAlgorithm, KMSMasterKeyID} of a bucket; empty if it has none."""
    found = _answer(lambda: s3.get_bucket_encryption(Bucket=bucket), "ServerSideEncryptionConfigurationNotFoundError")
    rules = found.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return next((rule["ApplyServerSideEncryptionByDefault"] for rule in rules), {})


def over_tls(control: ControlSide) -> Iterator[Outcome]:
    """A policy that denies whatever does not come over TLS."""
    for s3, bucket in _buckets(control):
        found = _answer(
            lambda s3=s3, bucket=bucket: s3.get_bucket_policy(Bucket=bucket),
            "NoSuchBucketPolicy",
        )
        statements = json.loads(found.get("Policy", "{}")).get("Statement", [])
        closed = any(_denies_plain(statement) for statement in statements)
        yield (fine("refuses requests without TLS", bucket) if closed else wrong("accepts requests without TLS", bucket))


def _denies_plain(statement: dict[str, Any]) -> bool:
    secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    everyone = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    return statement["Effect"] == "Deny" and everyone and str(secure).lower() == "false"


def _answer(ask: Any, absent: str) -> dict[str, Any]:
    """The answer, or an empty one for AWS's word that there is nothing of the kind."""
    try:
        return dict(ask())
    except ClientError as error:
        if error_code(error) != absent:
            raise
        return {}


def announces(control: ControlSide) -> Iterator[Outcome]:
    """S3's events reach EventBridge: an archive's retrieval is told by one."""
    s3, bucket = next(_buckets(control))
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    if "EventBridgeConfiguration" in found:
        yield fine("sends its events to EventBridge", bucket)
    else:
        told = "sends no events to EventBridge: a retrieved archive is noticed half an hour later"
        yield doubtful(told, bucket, ANNOUNCE.format(bucket=bucket))


def certificates(control: ControlSide) -> Iterator[Outcome]:
    """The bundle that the worker trusts, with the end of what it holds."""
    settings, s3 = control.surroundings.settings, control.surroundings.control.s3
    source_lookup.require_ca_bundle(s3, settings.evidence_bucket)
    with closing(s3.get_object(Bucket=settings.evidence_bucket, Key=CA_BUNDLE_KEY)["Body"]) as body:
        text = body.read().decode("ascii", "replace")
    try:
        ends = _ends(text)
    except (ssl.SSLError, ValueError) as error:
        yield wrong(f"holds no certificates that can be read ({error})", settings.ca_bundle)
        return
    yield _judged(ends, settings.ca_bundle, control.surroundings.clock())


def _ends(text: str) -> list[datetime]:
    """When each authority of a PEM bundle ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=text)
    told = [str(one["notAfter"]) for one in context.get_ca_certs()]
    return sorted(datetime.fromtimestamp(ssl.cert_time_to_seconds(one), UTC) for one in told)


def _judged(ends: list[datetime], looked_at: str, now: datetime) -> Outcome:
    valid = [end for end in ends if end > now]
    if not valid:
        return wrong("has no authority that is still valid: no worker can connect", looked_at)
    if valid[-1] - now < timedelta(days=limits.CERTIFICATE_WARNING_DAYS):
        return doubtful(f"its last authority expires on {valid[-1]:%Y-%m-%d}", looked_at)
    if expired := len(ends) - len(valid):
        return doubtful(f"{expired} of its {len(ends)} authorities have expired", looked_at)
    return fine(f"valid authorities: {len(ends)}, the first until {ends[0]:%Y-%m-%d}", looked_at)


def restore_points(control: ControlSide) -> Iterator[Outcome]:
    """The newest point of the instance can be read as a restore reads it."""
    instance, bucket = control.question.db_instance, control.surroundings.settings.repository_bucket
    if instance is None:
        found = stored_points.list_points(control.surroundings.control.s3, bucket)
        yield fine(f"{len(found)} of {len({point.instance for point in found})} instances; name an instance to have its newest read")
        return
    try:
        manifest = stored_points.load(control.surroundings.control.s3, bucket, instance)
    except RestorePointNotFound as missing:
        yield doubtful(str(missing))
        return
    databases = "1 database" if len(manifest.backups) == 1 else f"{len(manifest.backups)} databases"
    yield fine(
        f"can be read: {databases} of {manifest.engine} {manifest.engine_version}",
        f"{instance}/{manifest.point_id}",
    )


CHECKS: tuple[Check[ControlSide], ...] = (
    Check("buckets", "the repository and the evidence", BACK_TO_TEMPLATE, exist, is_vital=True),
    Check("bucket-public", "the buckets' public access", BACK_TO_TEMPLATE, private),
    Check("bucket-encryption", "the buckets' encryption", BACK_TO_TEMPLATE, encrypted),
    Check("bucket-tls", "the buckets' policies", BACK_TO_TEMPLATE, over_tls),
    Check("bucket-events", "the repository's events", BACK_TO_TEMPLATE, announces),
    Check("certificates", "the RDS CA bundle", f"download {RDS_CERTIFICATES} and copy it there", certificates, is_vital=True),
    Check(
        "restore-points",
        "restore points",
        "add one with dbrestore points add, or look at what there is with dbrestore points list",
        restore_points,
        is_vital=True,
    ),
)
