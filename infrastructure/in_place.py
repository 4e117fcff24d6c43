"""Places from which restores may read backups that nobody copied: each is in the policies of the roles that read, and nowhere else."""

from collections.abc import Sequence

from aws_cdk import Aws

from dbrestore.contract.allowed.reading_places import ReadingPlace
from infrastructure.adoption import literal


def places(declared: Sequence[ReadingPlace]) -> dict[str, tuple[str, ...]]:
    """What stands in statements for these buckets, the objects below their prefixes, and their keys."""
    s3 = f"arn:{Aws.PARTITION}:s3:::"
    return {
        "in_place_bucket": tuple(dict.fromkeys(f"{s3}{one.bucket}" for one in declared)),
        "in_place_files": tuple(dict.fromkeys(f"{s3}{one.bucket}/{literal(one.prefix)}" for one in declared)),
        "in_place_key": tuple(dict.fromkeys(one.kms_key for one in declared if one.kms_key)),
    }
