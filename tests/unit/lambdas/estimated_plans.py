"""Plans as PlanRestore makes them, for the tests of what they are expected to take and to cost."""

from datetime import UTC, datetime
from typing import Any

from dbrestore.contract import limits
from dbrestore.contract.plan import (
    ArchivedFiles,
    ConsideredSubnet,
    Launch,
    Plan,
    PlannedArchive,
    PlannedDatabase,
    PlannedNative,
    PlannedNetwork,
    PlannedSource,
    PlannedTarget,
    PlannedWorker,
)
from dbrestore.contract.request import ArchiveTier
from dbrestore.prices import GB

REGION = "us-east-1"
WAITS = {"Expedited": 0.08, "Standard": 12.0, "Bulk": 48.0}


def planned(**changes: Any) -> Plan:
    """A restore of one PostgreSQL database of 10 GB of COPY text, 4 GB as a dump, in the state machine's own Region."""
    values: dict[str, Any] = {
        "restore_id": "r-0123456789ab",
        "execution_arn": f"arn:aws:states:{REGION}:123456789012:execution:dbrestore:one",
        "mode": "plan",
        "planned_at": datetime(2026, 11, 23, 5, 12, tzinfo=UTC),
        "engine": "postgres",
        "archived": "archive" in changes,
        "target": target(),
        "source": PlannedSource(db_instance="shop", restore_point="p1", manifest="s3://repository/shop/p1/manifest.json"),
        "databases": (database("shop"),),
        "worker": worker(),
        **changes,
    }
    return Plan(**values)


def planned_native(**changes: Any) -> Plan:
    """A restore of one SQL Server database of 10 GB from 4 GB of backup files."""
    native = PlannedNative(option_role_arn="arn:aws:iam::123456789012:role/rds-reads", staged_bytes=4 * GB)
    return planned(**{"engine": "sqlserver", "native": native, "target": target(engine="sqlserver-se", port=1433)} | changes)


def target(**changes: Any) -> PlannedTarget:
    """An instance in the first zone."""
    values = {
        "account": "123456789012",
        "region": REGION,
        "db_instance": "shop",
        "arn": "arn:aws:rds:us-east-1:123456789012:db:shop",
        "engine": "postgres",
        "engine_version": "17.10",
        "host": "shop.example",
        "port": 5432,
        "vpc_id": "vpc-1",
        "availability_zone": f"{REGION}a",
        "secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop",
    }
    return PlannedTarget(**values | changes)


def database(name: str, size: int = 10 * GB, **changes: Any) -> PlannedDatabase:
    """A database whose files have two fifths of its bytes."""
    values = {
        "name": name,
        "asked_name": name,
        "temporary_name": f"dbrestore_{name}",
        "login_role": f"dbrestore_{name}_owner",
        "bytes": size,
        "stored_bytes": size * 2 // 5,
        "rows": 1000,
        "tables": 12,
    }
    return PlannedDatabase(**values | changes)


def worker(kind: str = "c6i.large", **changes: Any) -> PlannedWorker:
    """A worker of this type in the first subnet."""
    values = {
        "launches": (Launch(instance_type=kind, subnet_id="subnet-1"),),
        "security_group_ids": ("sg-standing",),
        "instance_profile_arn": "arn:aws:iam::123456789012:instance-profile/dbrestore-worker",
        "document_name": "dbrestore-run-job",
        "program_uri": "s3://programs/worker.zip",
        "streams": 2,
        "keep_toast_compression": False,
        "max_run_minutes": 10080,
    }
    return PlannedWorker(**values | changes)


def archived(storage_class: str, tier: ArchiveTier, objects: int, size: int, days: int = 2) -> PlannedArchive:
    """So many files of one class, retrieved with this tier."""
    files = ArchivedFiles(storage_class=storage_class, objects=objects, bytes=size, wait_hours=WAITS[tier])
    batches = tuple(range(-(-objects // limits.ARCHIVE_BATCH)))
    return PlannedArchive(tier=tier, objects=objects, bytes=size, classes=(files,), days=days, batches=batches)


def network(way: str, zone: str = f"{REGION}a") -> PlannedNetwork:
    """A network whose chosen subnet lies in this zone and reaches AWS this way."""
    chosen = ConsideredSubnet.model_validate(
        {"subnetId": "subnet-1", "availabilityZone": zone, "rank": 1, "way": way, "reasons": ["chosen"]}
    )
    return PlannedNetwork(vpc_id="vpc-1", subnets=(chosen,))
