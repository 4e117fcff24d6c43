"""The proof that nothing is left: AWS asked by tag, whatever the run's own records say.

The tagging service shows some things for a while after they are gone; so what it shows is looked at again, and of instances only those
count that aren't terminated.
"""

from collections.abc import Iterator

from acceptance import tags, waiting
from acceptance.account import TriedAccount
from dbrestore.contract.names import INSTALLATION

SHOWN_AFTERWARDS = 20.0


def left(account: TriedAccount, run: str, minutes: float = SHOWN_AFTERWARDS) -> tuple[str, ...]:
    """ARNs of what still bears the run's tag, or the product's, when it was waited long enough."""
    try:
        waiting.until(lambda: not list(_tagged(account, run)), minutes, "nothing bears the run's tags")
    except waiting.TookTooLong:
        return tuple(sorted(set(_tagged(account, run))))
    return ()


def _tagged(account: TriedAccount, run: str) -> Iterator[str]:
    tagging = account.client("resourcegroupstaggingapi")
    for wanted in ({"Key": tags.RUN, "Values": [run]}, {"Key": INSTALLATION, "Values": [account.installation]}):
        for page in tagging.get_paginator("get_resources").paginate(TagFilters=[wanted]):
            yield from (one["ResourceARN"] for one in page["ResourceTagMappingList"] if _is_alive(account, one["ResourceARN"]))


def _is_alive(account: TriedAccount, arn: str) -> bool:
    """Terminated instances are shown for about an hour."""
    resource = arn.split(":", 5)[5]
    if not resource.startswith("instance/i-"):
        return True
    shown = account.client("ec2").describe_instances(Filters=[{"Name": "instance-id", "Values": [resource.partition("/")[2]]}])
    states = [one["State"]["Name"] for reservation in shown["Reservations"] for one in reservation["Instances"]]
    return any(state != "terminated" for state in states)
