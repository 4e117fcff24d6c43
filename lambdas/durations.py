"""How long each state is expected to take. Every rate stands here once, with what it rests on; none was measured on AWS.

Invariant: a number never goes without its basis, so that a reader can tell a figure of S3's own from an assumption of ours.
"""

from dataclasses import dataclass

from repository.manifest import Engine

MEGABYTE = 10**6


@dataclass(frozen=True)
class Rate:
    """Bytes per second, and what the number rests on."""

    bytes_per_second: float
    basis: str

    def seconds(self, size: float) -> float:
        """How long so many bytes take."""
        return size / self.bytes_per_second


@dataclass(frozen=True)
class Span:
    """A time that does not depend on the amount of data."""

    seconds: float
    basis: str


BOOT = Span(90, "assumed: boot, installation of the worker's program and registration with SSM")
PAIRING = Span(60, "assumed: RDS takes the new group into its list within a minute")
REPLAY = Rate(15 * MEGABYTE, "15 MB/s of COPY text: published for 50 GB into Aurora with parallel jobs (15.7 MB/s)")
STAGING = Rate(250 * MEGABYTE, "250 MB/s, assumed: S3 copies by itself; 445 MB/s were published for 40 parts at once")


def reading_hours(size: int, engine: Engine) -> float:
    """Hours from when the data lies ready in S3 until its last byte was read. `size` is what the restore reads by: bytes of COPY text for
    PostgreSQL, whose worker reads while it replays; bytes of the backup files for SQL Server, which is read when it is staged."""
    reading = {"postgres": REPLAY, "sqlserver": STAGING}[engine]
    return (BOOT.seconds + PAIRING.seconds + reading.seconds(size)) / 3600
