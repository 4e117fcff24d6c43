"""Whether the copy stood apart from its source: plainly said, and never claimed where nothing tells."""

import re
from collections.abc import Iterator
from typing import Final

from dbrestore.contract.evidence import Sameness, Segregation
from dbrestore.contract.record import Report

# A bucket in the account-regional namespace tells where it lies.
_BUCKET: Final = re.compile(r"^s3://[^/]*-(\d{12})-([a-z0-9-]+)-an/")


def judged(report: Report) -> Segregation:
    """Of one restore."""
    is_same = report.source.db_instance == report.target.db_instance
    place = _BUCKET.match(report.source.manifest)
    account, region = (place[1], place[2]) if place else (None, None)
    of_source: Sameness = "same" if is_same else "not known"
    return Segregation(
        instance="same" if is_same else "other",
        account=of_source,
        region=of_source,
        vpc=of_source,
        store_account=_compared(account, report.target.account),
        store_region=_compared(region, report.target.region),
        told=(_of_instance(report, is_same=is_same), *_of_store(report, account, region)),
    )


def _compared(one: str | None, other: str) -> Sameness:
    if one is None or not other:
        return "not known"
    return "same" if one == other else "other"


def _of_instance(report: Report, *, is_same: bool) -> str:
    target = (
        f"{report.target.db_instance} (account {report.target.account}, {report.target.region}, {report.target.vpc_id or 'VPC unknown'})"
    )
    if is_same:
        return (
            f"Not segregated: the copy was restored into {target}, the instance that the backup is of. Account, Region, VPC and the server "
            "itself are the source's own."
        )
    return (
        f"The copy was restored into {target}, another instance than {report.source.db_instance}, which the backup is of. A restore point "
        "does not record the account, Region and VPC of its source: whoever signs states whether these differ."
    )


def _of_store(report: Report, account: str | None, region: str | None) -> Iterator[str]:
    if account and region:
        of_account = "the same account" if account == report.target.account else f"account {report.target.account}"
        of_region = "the same Region" if region == report.target.region else report.target.region
        yield f"The backup is kept in account {account}, {region}; the target is in {of_account}, {of_region}."
