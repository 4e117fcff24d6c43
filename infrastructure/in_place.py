"""Places from which restores may read backups that nobody copied, and from which executions may copy them: each is in the policies of
the roles that do it, and nowhere else."""

from collections.abc import Sequence

from aws_cdk import Aws

from dbrestore.contract.adoption.rules import AdoptionRule
from dbrestore.contract.allowed.reading_places import ReadingPlace
from infrastructure.adoption import literal


def places(declared: Sequence[ReadingPlace]) -> dict[str, tuple[str, ...]]:
    """What stands in statements for the buckets that restores read in place, the objects below their prefixes, and their keys."""
    return _named("in_place", [one for one in declared if not one.copy_only])


def copied_from(declared: Sequence[ReadingPlace], rules: Sequence[AdoptionRule]) -> tuple[ReadingPlace, ...]:
    """Every place from which executions copy dumps: the declared ones, and what rules of adoption mean."""
    of_dumps = [rule for rule in rules if rule.engine == "postgres"]
    return (
        *declared,
        *(ReadingPlace(bucket=rule.bucket, prefix=rule.keys.prefix, kms_key=rule.kms_key, copy_only=True) for rule in of_dumps),
    )


def copied(places: Sequence[ReadingPlace]) -> dict[str, tuple[str, ...]]:
    """What stands in statements for the places that are copied from."""
    return _named("copied", places)


def _named(name: str, places: Sequence[ReadingPlace]) -> dict[str, tuple[str, ...]]:
    s3 = f"arn:{Aws.PARTITION}:s3:::"
    return {
        f"{name}_bucket": tuple(dict.fromkeys(f"{s3}{one.bucket}" for one in places)),
        f"{name}_files": tuple(dict.fromkeys(f"{s3}{one.bucket}/{literal(one.prefix)}" for one in places)),
        f"{name}_key": tuple(dict.fromkeys(one.kms_key for one in places if one.kms_key)),
    }
