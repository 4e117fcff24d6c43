"""What a run costs and how long it takes, said before it begins. A statement, not a bill: prices of us-east-1 on demand, without taxes.

Prices and times are estimates from memory, rounded up, and not yet compared with AWS's price lists or a run there.
"""

from dataclasses import dataclass

from acceptance.made.network import INTERFACES
from acceptance.wishes import Wishes

# Dollars per hour.
POSTGRESQL, SQLSERVER, WORKER, ENDPOINT = 0.02, 0.05, 0.10, 0.01
# Per run: requests, storage for some hours, logs, and the metrics that the functions write.
SMALL_THINGS = 0.50


@dataclass(frozen=True)
class Item:
    """One line of the statement; `dollars` over the whole run."""

    what: str
    dollars: float


def hours(wishes: Wishes) -> float:
    """Of the whole run: what AWS takes to make and remove the instances and, four at a time, for restores that are stopped."""
    stopping = wishes.scale.stops / 4 * 10 / 60
    pairing = wishes.scale.pairings * 1.5 / 60
    return round(1.0 + (1.0 if wishes.sqlserver else 0.0) + stopping + pairing, 1)


def items(wishes: Wishes) -> list[Item]:
    """What costs something."""
    lasting = hours(wishes)
    listed = [
        Item("db.t4g.micro PostgreSQL, 20 GiB", POSTGRESQL * lasting),
        Item("workers, one to four at a time", WORKER * lasting),
        Item("requests, storage, logs, metrics", SMALL_THINGS),
    ]
    if wishes.sqlserver:
        listed.append(Item("db.t3.small SQL Server Express, 20 GiB", SQLSERVER * lasting))
    if not wishes.subnets:
        listed.append(Item(f"{len(INTERFACES)} interface endpoints", len(INTERFACES) * ENDPOINT * lasting))
    return listed


def statement(wishes: Wishes) -> str:
    """For the person who is going to pay."""
    listed = items(wishes)
    lines = [f"  {item.what:<44} about $ {item.dollars:5.2f}" for item in listed]
    total = sum(item.dollars for item in listed)
    return "\n".join(
        [
            f"This run ({wishes.scale.name}) takes about {hours(wishes):g} hours and costs about $ {total:.2f}:",
            *lines,
            f"It makes an installation of dbrestore with the prefix {wishes.prefix}, DB instances and, unless subnets are named, a VPC",
            "of its own, and removes all of it at the end.",
            "What it doesn't make it doesn't touch.",
        ]
    )
