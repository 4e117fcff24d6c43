"""Where things lie in the buckets, and where the buckets lie. Names of instances and databases are percent-encoded, so any name is one path
segment."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

MANIFEST = "manifest.json"
READINGS = "readings/"
# In the evidence bucket, as patterns of IAM, whose wildcards match slashes too: what a worker is told to do, and all that workers write.
# The rest of a restore's folder is the functions': the plan, the report, the evidence, the manifest's digest.
ORDERS = "restores/*/jobs/*/job.json"
OF_WORKERS = (
    "restores/*/jobs/*/progress.json",
    "restores/*/jobs/*/result.json",
    "restores/*/jobs/*/promoted/*.json",
    "restores/*/logged-in.json",
    "restores/*/begun/*.json",
    "restores/*/checked/*.json",
    "restores/*/left-out/*.json",
    "restores/*/backups/*.json",
    f"{READINGS}*",
)
# What leaves room for the rest of a key of 1,024 bytes, and where a longer one is cut.
_LONGEST_NAME = 900
_CUT_AT = 700


def segment(name: str) -> str:
    """One path segment for any name: `/` and everything unusual encoded, `.` and `..` too (tools that copy to a disk follow them)."""
    encoded = quote(name, safe="")
    return encoded.replace(".", "%2E") if encoded.strip(".") == "" else encoded


def point_prefix(instance: str, point_id: str) -> str:
    """`<instance>/<point id>/`."""
    return f"{segment(instance)}/{segment(point_id)}/"


def manifest_key(instance: str, point_id: str) -> str:
    """`<instance>/<point id>/manifest.json`."""
    return point_prefix(instance, point_id) + MANIFEST


def database_prefix(instance: str, point_id: str, database: str) -> str:
    """`<instance>/<point id>/<database>/`. S3's keys end at 1,024 bytes, and 128 characters may be encoded to more: such a name is cut off,
    with a digest behind it. The manifest has the key, so nobody needs to lead it back."""
    name = segment(database)
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_CUT_AT].rpartition('%')[0]}-{hashlib.sha256(database.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return f"{point_prefix(instance, point_id)}{name}/"


def restore_prefix(restore_id: str) -> str:
    """`restores/<restore id>/`, in the evidence bucket: everything that one restore leaves there."""
    return f"restores/{segment(restore_id)}/"


def job_prefix(restore_id: str, job_name: str) -> str:
    """`restores/<restore id>/jobs/<job name>/`, in the evidence bucket."""
    return f"{restore_prefix(restore_id)}jobs/{segment(job_name)}/"


def backup_key(restore_id: str, number: int) -> str:
    """`restores/<restore id>/backups/<n>.json`, in the evidence bucket: what a worker found of the n-th dump that it read."""
    return f"{restore_prefix(restore_id)}backups/{number}.json"


def reading_key(instance: str, point_id: str, number: int) -> str:
    """`readings/<instance>/<point id>/<n>.json`, in the evidence bucket: how far the n-th dump of a point in the making was read, by
    whatever execution."""
    return f"{READINGS}{segment(instance)}/{segment(point_id)}/{number}.json"


def beginning_key(restore_id: str, key_prefix: str) -> str:
    """`restores/<restore id>/begun/<n>.json`, in the evidence bucket, of the database whose staged keys begin with `<restore id>/<n>/`."""
    return f"restores/{segment(restore_id)}/begun/{key_prefix.rstrip('/').rpartition('/')[2]}.json"


def boot_log_key(restore_id: str, instance_id: str) -> str:
    """`restores/<restore id>/boot/<instance id>.log`, in the evidence bucket: the console of an instance that became no worker."""
    return f"restores/{segment(restore_id)}/boot/{segment(instance_id)}.log"


def report_key(restore_id: str) -> str:
    """`restores/<restore id>/report.json`, in the evidence bucket."""
    return f"restores/{segment(restore_id)}/report.json"


def region_of(bucket: str) -> str | None:
    """Where a bucket lies, if its name tells: in the account-regional namespace it ends in `-<account>-<Region>-an`."""
    told = re.search(r"-\d{12}-([a-z0-9-]+)-an$", bucket)
    return told[1] if told else None


def stray_report_key(looked_at: datetime) -> str:
    """What a look for strays found, in the evidence bucket."""
    return f"strays/{looked_at:%Y-%m-%dT%H%M%SZ}.json"


@dataclass(frozen=True)
class StoredPlace:
    """Where an object lies that belongs to a restore point. `version_id` is None for what lies in the repository, whose keys are written
    once."""

    bucket: str
    key: str
    version_id: str | None = None

    def __str__(self) -> str:
        """What messages call it."""
        return f"s3://{self.bucket}/{self.key} (version {self.version_id})" if self.version_id else self.key

    @property
    def arguments(self) -> dict[str, Any]:
        """What every request about it has."""
        return {"Bucket": self.bucket, "Key": self.key, **({"VersionId": self.version_id} if self.version_id else {})}
