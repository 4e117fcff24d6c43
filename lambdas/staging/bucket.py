"""Steps 4 and 7: the temporary bucket that native restores of an account and Region share, made and unmade.

It lies in the target's account and Region, because RDS reads from no other Region. Who holds the lease may use it; its policy follows the
lease's holders. Invariant: while the bucket exists, some restore has a row of it in the ledger that isn't settled.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from dbrestore.contract import limits, names
from dbrestore.contract.anchor import Whereabouts
from dbrestore.contract.errors import InternalContradiction, NotReady
from dbrestore.contract.plan import Plan
from dbrestore.contract.record import ResourceRow
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sqlserver_errors import StagingAccessDenied
from dbrestore.contract.things import BUCKET, STAGED_OBJECTS
from dbrestore.ledger.stored_plan import WHERE_TO_REPORT
from lambdas.runtime import invocations
from lambdas.runtime.aws import about
from lambdas.runtime.inputs import RemoverInput
from lambdas.runtime.state import Restore, state
from lambdas.runtime.telemetry import log
from lambdas.staging import lease as staging_lease
from lambdas.staging import objects as staging_objects
from lambdas.staging.lease import Lease

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import TagTypeDef

ROLE = "staging"
STAGING = "StageNativeBackups"
# Bytes: S3 takes no longer policy of a bucket (User Guide, "Bucket policies").
LARGEST_POLICY = 20 * 1024
# A principal of the policy does not exist.
MALFORMED = "MalformedPolicy"
NOT_THERE = {"404", "NoSuchBucket"}
IN_CHANGE = {"BucketNotEmpty", "OperationAborted"}


def ensure(restore: Restore, plan: Plan, s3: "S3Client") -> str:
    """The name of the bucket, which exists and which the option's role may read. Raises NotReady, RestoreClosed, StagingAccessDenied."""
    made = [row.name for row in restore.ledger.rows(BUCKET) if row.state == "CREATED"]
    if made:
        return made[0]
    seen = staging_lease.read(restore.ledger.table, plan.target)
    name = names.staging_bucket(names.prefix(plan.execution_arn), seen.offered, plan.target.account, plan.target.region)
    _require_room(plan, name, seen.joined_by(plan.restore_id, _option_role(plan)))
    row = restore.ledger.intend(BUCKET, ROLE, name)
    # S3 may not know everywhere what it made just now.
    is_new = about(restore.began_at, restore.ledger.clock())
    with staging_lease.joined(restore.ledger, plan.target, seen, _option_role(plan)) as lease, is_new:
        _create(s3, plan, name)
        _close_to_others(s3, plan, name)
        _let_join(s3, plan, name, lease)
    restore.ledger.created(row, name)
    return name


def _require_room(plan: Plan, name: str, lease: Lease) -> None:
    """Before the lease is changed: a holder that the policy can't name would keep all others from changing it."""
    if len(_policy_text(plan, name, lease).encode()) > LARGEST_POLICY:
        raise NotReady(
            f"waiting for another restore to end: {len(lease.holders) - 1} use the bucket {name}, and its policy has no room for one more"
        )


def _option_role(plan: Plan) -> str:
    if plan.native is None:
        raise InternalContradiction(f"The plan holds nothing about SQL Server's option group. {WHERE_TO_REPORT}")
    return plan.native.option_role_arn


def _create(s3: "S3Client", plan: Plan, name: str) -> None:
    """The name can be taken by this account alone, so a bucket that exists was made for this generation."""
    place: Any = {"CreateBucketConfiguration": {"LocationConstraint": plan.target.region}}
    try:
        s3.create_bucket(
            Bucket=name,
            BucketNamespace="account-regional",
            ObjectOwnership="BucketOwnerEnforced",
            **({} if plan.target.region == "us-east-1" else place),  # which takes no constraint
        )
    except ClientError as error:
        if error_code(error) == "OperationAborted":
            raise NotReady(f"waiting for S3, which changes the bucket {name} at this moment") from error
        if error_code(error) != "BucketAlreadyOwnedByYou":
            raise


def _close_to_others(s3: "S3Client", plan: Plan, name: str) -> None:
    """Each a setting as a whole, so it doesn't matter who of the holders writes it, and how often."""
    bucket: Any = {"Bucket": name, "ExpectedBucketOwner": plan.target.account}
    block: Any = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(**bucket, PublicAccessBlockConfiguration=block)
    encryption: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(**bucket, ServerSideEncryptionConfiguration=encryption)
    s3.put_bucket_tagging(**bucket, Tagging={"TagSet": _tags(plan)})
    # What is left if everything else fails: no object outlives these days.
    rule: Any = {
        "ID": "temporary",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": limits.STAGED_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": limits.ABANDONED_UPLOAD_DAYS},
    }
    s3.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": [rule]})


def _tags(plan: Plan) -> "list[TagTypeDef]":
    values = {names.MANAGED: "true", names.INSTALLATION: names.installation(plan.execution_arn)}
    return [{"Key": key, "Value": value} for key, value in values.items()]


def _let_join(s3: "S3Client", plan: Plan, name: str, lease: Lease) -> None:
    try:
        _let_holders_read(s3, plan, name, lease)
    except ClientError as error:
        if error_code(error) != MALFORMED:
            raise
        raise StagingAccessDenied(
            f"S3 refuses to let {_option_role(plan)} read the temporary bucket ({error}): the role that IAM_ROLE_ARN of the option "
            "SQLSERVER_BACKUP_RESTORE names, or that of another restore that runs, does not exist; create it again or name another in the "
            "option, then start the restore again"
        ) from error


def _let_holders_read(s3: "S3Client", where: Whereabouts, name: str, lease: Lease) -> None:
    s3.put_bucket_policy(Bucket=name, Policy=_policy_text(where, name, lease), ExpectedBucketOwner=where.target.account)


def _policy_text(where: Whereabouts, name: str, lease: Lease) -> str:
    return json.dumps(policy(where.execution_arn.split(":")[1], name, lease), separators=(",", ":"))


def policy(partition: str, name: str, lease: Lease) -> dict[str, Any]:
    """TLS only, and each role reads what lies under the prefixes of its own restores. Statements are by role and not by restore, because
    most restores of an account have the same role and there is little room."""
    bucket = f"arn:{partition}:s3:::{name}"
    tls_only = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket, f"{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    roles = sorted(set(lease.holders.values()))
    reading = [statement for role in roles for statement in _reading(bucket, role, lease)]
    locating = {"Effect": "Allow", "Principal": {"AWS": roles}, "Action": "s3:GetBucketLocation", "Resource": bucket}
    return {"Version": "2012-10-17", "Statement": [tls_only, *reading, locating]}


def _reading(bucket: str, role: str, lease: Lease) -> list[dict[str, Any]]:
    below = [f"{restore}/*" for restore, its_role in sorted(lease.holders.items()) if its_role == role]
    may: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": role}}
    # A look at the bucket itself (HeadBucket) names no prefix and needs this permission too.
    prefix = {"StringLikeIfExists": {"s3:prefix": below}}
    return [
        {**may, "Action": "s3:GetObject", "Resource": [f"{bucket}/{keys}" for keys in below]},
        {**may, "Action": "s3:ListBucket", "Resource": bucket, "Condition": prefix},
    ]


@state("RemoveStagingBucket", RemoverInput)
def remove_staging_bucket(section: RemoverInput, restore: Restore) -> None:
    """The restore's objects, gone and seen absent, and the bucket too unless another restore uses it. Raises NotReady."""
    restore.ledger.advance("CLOSING")
    if not restore.ledger.unsettled(BUCKET, STAGED_OBJECTS):
        return
    invocations.require_none_at_work(restore.ledger, STAGING)
    where = restore.ledger.meta().anchor
    s3 = restore.target(where).s3
    for row in restore.ledger.unsettled(STAGED_OBJECTS):
        bucket, _, prefix = row.name.partition("/")
        if staging_objects.remove(s3, bucket, prefix, where.target.account):
            restore.ledger.deleted(row, row.note)
        else:
            restore.ledger.missed(row, can_begin=False)
    with staging_lease.left(restore.ledger, where.target) as lease:
        if lease.holders:
            _take_back_grant(s3, where, lease)
    for row in restore.ledger.unsettled(BUCKET):
        _leave(restore, where, s3, row, lease)


def _take_back_grant(s3: "S3Client", where: Whereabouts, lease: Lease) -> None:
    name = names.staging_bucket(names.prefix(where.execution_arn), lease.generation, where.target.account, where.target.region)
    try:
        _let_holders_read(s3, where, name, lease)
    except ClientError as error:
        # Those who hold the lease have not made it yet, or the last of them has deleted it meanwhile.
        if error_code(error) == "NoSuchBucket":
            return
        # A holder's role was deleted while it runs. What the grant that stays was for is gone already.
        if error_code(error) != MALFORMED:
            raise
        log.warning(f"The grant of {where.restore_id} on {name} stays until the next change: {error}")


def _leave(restore: Restore, where: Whereabouts, s3: "S3Client", row: ResourceRow, lease: Lease) -> None:
    """Delete the bucket, or leave it to those who still use it: the last of them deletes it."""
    generation = _generation(row.name)
    if generation > lease.generation:
        restore.ledger.never_begun(row, "the lease on it was never taken, and only its holders make it")
    elif lease.is_over(generation):
        if _delete(s3, where, row.name):
            restore.ledger.removal_accepted(row, row.name)
        if _exists(s3, where, row.name):
            raise NotReady(f"waiting for the bucket {row.name} to be gone")
        _settle_bucket(restore, row)
    else:
        others = ", ".join(sorted(lease.holders))
        restore.ledger.handed_over(row, f"used by {others}: the last of them deletes it")


def _generation(name: str) -> int:
    found = re.search(r"-g(\d+)-", name)
    return int(found[1]) if found else 0


def _settle_bucket(restore: Restore, row: ResourceRow) -> None:
    """Gone is what S3 deleted for us; what it didn't know may be too new to be known."""
    now = restore.ledger.row(BUCKET, row.role, row.name) or row
    if now.deleted_at:
        restore.ledger.deleted(now)
    else:
        restore.ledger.missed(now, can_begin=False)


def _delete(s3: "S3Client", where: Whereabouts, name: str) -> bool:
    """Whether S3 knew the bucket, and deleted it. Raises NotReady."""
    staging_objects.remove(s3, name, "", where.target.account)
    try:
        s3.delete_bucket(Bucket=name, ExpectedBucketOwner=where.target.account)
    except ClientError as error:
        if error_code(error) in IN_CHANGE:
            raise NotReady(f"waiting for S3 to let the bucket {name} be deleted") from error
        if error_code(error) not in NOT_THERE:
            raise
        return False
    return True


def _exists(s3: "S3Client", where: Whereabouts, name: str) -> bool:
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=where.target.account)
    except ClientError as error:
        if error_code(error) not in NOT_THERE:
            raise
        return False
    return True
