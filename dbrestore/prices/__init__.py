"""The price table: `prices.json`, read into types. List prices of one Region, and of others what is known to differ.

Invariant: no price is made up. What the table lacks for a Region is the base Region's, and whoever asks is told; what it lacks altogether
is None.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from dbrestore.contract.document import Document
from dbrestore.contract.request import ArchiveTier

TABLE = Path(__file__).with_name("prices.json")
Source = Literal["aws", "list", "assumed"]

# AWS says GB and counts 2^30 bytes.
GB = 1 << 30
# AWS counts 730 hours to a month.
MONTH_HOURS = 730


class Price(Document):
    """`dollars` for `per` of the unit."""

    dollars: float
    per: int = 1
    unit: str
    source: Source

    def of(self, amount: float) -> float:
        """What so many cost, in dollars."""
        return self.dollars * amount / self.per


class RetrievalPrice(Document):
    """What S3 asks for bringing data back from an archive, by the GB and by the request (one per object)."""

    gb: float
    thousand_requests: float
    source: Source


class RegionTable(Document):
    """What is known of one Region. `same_as` says that nothing differs from the named one."""

    same_as: str | None = None
    prices: dict[str, Price] = Field(default={})
    instances: dict[str, float] = Field(default={})


class PriceTable(Document):
    """The whole file. `of` is the date of its newest source, `region` the one that `prices` and `instances` are of (dollars per hour);
    `sources` explains the marks."""

    of: str
    region: str
    sources: dict[Source, str]
    prices: dict[str, Price]
    retrieval: dict[str, dict[ArchiveTier, RetrievalPrice]]
    instances: dict[str, float]
    regions: dict[str, RegionTable]


@dataclass(frozen=True)
class Prices:
    """The table as it is read for one Region."""

    table: PriceTable
    region: str

    def price(self, name: str) -> Price:
        """The Region's own price if it is known, else the base Region's."""
        return self._own.prices.get(name) or self.table.prices[name]

    def instance(self, kind: str) -> float | None:
        """Dollars per hour of an EC2 instance with Linux; None for a type that the table does not have."""
        return self._own.instances.get(kind) or self.table.instances.get(kind)

    def retrieval(self, storage_class: str, tier: ArchiveTier) -> RetrievalPrice | None:
        """For a storage class or an archive tier of Intelligent-Tiering; None for a pair that S3 does not offer."""
        return self.table.retrieval.get(storage_class, {}).get(tier)

    @property
    def note(self) -> str | None:
        """What is to be said of prices that are not the Region's own."""
        base = self.table.region
        if self.region == base or self._own.same_as == base:
            return None
        if self._own.instances:
            return f"Prices of {self.region} where the table has them, otherwise of {base}"
        return f"Prices of {base}: those of {self.region} are not in the table, and are often 5 to 30 % higher"

    @property
    def priced_in(self) -> str:
        """The Region whose prices are taken."""
        return self.region if self._own.instances else self.table.region

    @property
    def _own(self) -> RegionTable:
        return self.table.regions.get(self.region) or RegionTable()


def prices_in(region: str) -> Prices:
    """The prices for things in this Region."""
    return Prices(_table(), region)


@cache
def _table() -> PriceTable:
    return PriceTable.from_json(TABLE.read_text())
