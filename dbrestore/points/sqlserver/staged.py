"""Where a restore's native backups lie in the temporary bucket, and how RDS is told.

    <restore id>/<database number>/<set number>-<kind>/s-<stripe>.bak

Each backup set has a prefix of its own, because RDS takes every object under a prefix for a stripe; and each restore has its own, so the
S3 ARN of a task says whose it is.
"""

from dbrestore.contract.manifest import NativeKind


def restore_prefix(restore_id: str) -> str:
    """Everything of a restore."""
    return f"{restore_id}/"


def database_prefix(restore_id: str, database: int) -> str:
    """Everything of its n-th database, counted from 1 in the order of the plan."""
    return f"{restore_id}/{database}/"


def stripe_key(restore_id: str, database: int, backup_set: int, kind: NativeKind, stripe: int) -> str:
    """One stripe; sets and stripes are counted from 1 in the order in which they are restored and stand in the manifest."""
    return f"{_set_prefix(restore_id, database, backup_set, kind)}s-{stripe:02}.bak"


def set_arn(partition: str, bucket: str, restore_id: str, database: int, backup_set: int, kind: NativeKind, stripes: int) -> str:
    """What rds_restore_database takes: the object of a single file, the prefix and `*` of several."""
    last = "s-01.bak" if stripes == 1 else "s-*"
    return f"arn:{partition}:s3:::{bucket}/{_set_prefix(restore_id, database, backup_set, kind)}{last}"


def _set_prefix(restore_id: str, database: int, backup_set: int, kind: NativeKind) -> str:
    return f"{database_prefix(restore_id, database)}{backup_set:02}-{kind.lower()}/"
