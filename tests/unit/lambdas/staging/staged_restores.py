"""Restores of SQL Server that have been planned: an account with a repository and a ledger, plans made by hand, backups of real form."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dbrestore.contract import names
from dbrestore.contract.errors import NotReady
from dbrestore.contract.manifest import Manifest
from dbrestore.contract.plan import (
    Launch,
    Plan,
    PlannedDatabase,
    PlannedNative,
    PlannedSource,
    PlannedTarget,
    PlannedWorker,
)
from dbrestore.contract.record import ResourceRow
from dbrestore.points.sqlserver import adding as native_points
from dbrestore.points.sqlserver import carried, needed_sets
from lambdas.runtime.bounds import Bounds
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.state import Surroundings
from lambdas.staging.bucket import remove_staging_bucket
from lambdas.staging.stage_native_backups import stage_native_backups
from tests.statemachine import plain_moto
from tests.unit.points.sqlserver.backups import Written, backup

REGION, ACCOUNT = "eu-central-1", "123456789012"
INSTANCE = "crm-mssql"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/rds-native-restore"
MIB = 1 << 20
BOUNDS = replace(plain_moto.SHOWN_AT_ONCE, staging_part_bytes=5 * MIB)
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "LEDGER_TABLE": "ledger",
    "REPOSITORY_BUCKET": "repository",
    "EVIDENCE_BUCKET": "evidence",
    "TARGET_ROLE_NAME": "dbrestore-target-{region}",
    "EXTERNAL_ID": "external",
}


def bucket_name(generation: int = 1) -> str:
    return f"dbrestore-staging-g{generation}-{ACCOUNT}-{REGION}-an"


def big(mebibytes: int, **more: Any) -> Written:
    """A backup of a little more than so many MiB."""
    return Written(pages=mebibytes * MIB // 512, **more)


@contextmanager
def account(patch: pytest.MonkeyPatch, folder: Path) -> "Iterator[Account]":
    """On moto in this process; copies are cut into parts of 5 MiB, and nobody is waited out."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        patch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        plain_moto.install(patch)
        patch.setattr("moto.s3.models.get_s3_default_key_buffer_size", lambda: 1 << 30)
        boto3.client("s3").create_bucket(Bucket="repository", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        boto3.client("dynamodb").create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Account(folder)


@dataclass
class Account:
    """The account of both sides; `bounds` and `stopwatch` are those of its functions."""

    folder: Path
    s3: Any = field(default_factory=lambda: boto3.client("s3"))
    bounds: Bounds = BOUNDS
    stopwatch: Callable[[], float] = time.monotonic

    def point(self, *backups: Written) -> Manifest:
        """A restore point of one database of these backup files."""
        paths = [self.folder / f"{number}.bak" for number in range(len(backups))]
        for path, what in zip(paths, backups, strict=True):
            path.write_bytes(backup(what))
        return native_points.add(self.s3, "repository", INSTANCE, paths).points[0]

    def restore(self, point: Manifest, name: str = "restore-1", role: str = ROLE, **native: Any) -> "Staged":
        """A restore of the point that has been planned and opened."""
        native = {"option_role_arn": role, "staged_bytes": 1, **native}
        plan = _plan(point, name, native.get("stop_at")).model_copy(update={"native": PlannedNative(**native)})
        Ledger(Surroundings().table, plan.restore_id).open(plan, datetime.now(UTC))
        return Staged(plan, self)

    def buckets(self) -> list[str]:
        """Of the temporary ones."""
        found = [b["Name"] for b in self.s3.list_buckets()["Buckets"]]
        return [name for name in found if name.startswith("dbrestore-staging")]

    def objects(self, bucket: str) -> dict[str, int]:
        """Key -> length."""
        return {o["Key"]: o["Size"] for o in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])}

    def uploads(self, bucket: str) -> list[str]:
        """Keys of unfinished uploads."""
        return [u["Key"] for u in self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]


@dataclass(frozen=True)
class Staged:
    """One restore and its two states."""

    plan: Plan
    account: Account

    @property
    def ledger(self) -> Ledger:
        return Ledger(Surroundings().table, self.plan.restore_id)

    @property
    def prefix(self) -> str:
        return f"{self.plan.restore_id}/"

    def stage(self) -> dict[str, Any]:
        """One invocation."""
        return stage_native_backups({"plan": self.plan.to_state()}, None, self._surroundings())

    def remove(self) -> dict[str, Any]:
        """One invocation."""
        return remove_staging_bucket({"plan": {"restoreId": self.plan.restore_id}}, None, self._surroundings())

    def _surroundings(self) -> Surroundings:
        return Surroundings(bounds=self.account.bounds, stopwatch=self.account.stopwatch)

    def row(self, kind: str) -> ResourceRow:
        """The one row of its kind."""
        (row,) = self.ledger.rows(kind)
        return row


def until_done(invoke: Callable[[], dict[str, Any]], most: int = 20) -> dict[str, Any]:
    """Call like the state's Retry does."""
    for _ in range(most):
        try:
            return invoke()
        except NotReady:
            continue
    raise AssertionError("never ready")


def hand_made_plan(name: str, role: str = ROLE) -> Plan:
    """Of no database."""
    execution = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:dbrestore:{name}"
    target = PlannedTarget(
        account=ACCOUNT,
        region=REGION,
        db_instance=INSTANCE,
        arn=f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{INSTANCE}",
        engine="sqlserver-se",
        engine_version="15.00",
        host="crm",
        port=1433,
        vpc_id="vpc-1",
        availability_zone="b",
        secret_arn="arn:secret",
    )
    worker = PlannedWorker(
        launches=(Launch(instance_type="c6i.large", subnet_id="subnet-1"),),
        security_group_ids=("sg-1",),
        instance_profile_arn="arn:profile",
        document_name="document",
        program_uri="s3://program",
        streams=1,
        keep_toast_compression=False,
        max_run_minutes=60,
    )
    return Plan(
        restore_id=names.restore_id(execution),
        execution_arn=execution,
        mode="restore",
        planned_at=datetime.now(UTC),
        engine="sqlserver",
        archived=False,
        target=target,
        databases=(),
        worker=worker,
        source=PlannedSource(db_instance=INSTANCE, restore_point="latest", manifest="s3://repository/manifest.json"),
        native=PlannedNative(option_role_arn=role, staged_bytes=1),
    )


def _plan(point: Manifest, name: str, stop_at: datetime | None = None) -> Plan:
    plan = hand_made_plan(name)
    databases = tuple(
        PlannedDatabase(
            name=b.name,
            asked_name=f"{b.name}-{name}",
            temporary_name=f"{b.name}-{name}",
            bytes=1,
            rows=0,
            tables=0,
            backup_sets=carried.runs(b, needed_sets.needed(b, stop_at)),
        )
        for b in point.native_databases
    )
    source = plan.source.model_copy(update={"restore_point": point.point_id})
    return plan.model_copy(update={"databases": databases, "source": source})
