"""An instance of RDS for SQL Server, a restore point of native backups, and plans for the two."""

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto.rds.models import DBInstance

from dbrestore.contract import keys
from dbrestore.contract.errors import RestoreError
from dbrestore.contract.manifest import (
    Manifest,
    NativeBackupSet,
    NativeChecks,
    NativeDatabaseBackup,
    NativeDatabaseFile,
    NativeKind,
    RecoveryModel,
    StoredFile,
)
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.world import ACCOUNT, POINT, World, create_instance, execution_arn
from tests.unit.lambdas.planning.test_plan_restore import free_storage

MSSQL = "crm-mssql"
GIB = 1024**3
ROLE = f"arn:aws:iam::{ACCOUNT}:role/native"
TARGET = f"/target/dbInstance: {MSSQL}"
CHAIN: tuple[tuple[NativeKind, str, int, int], ...] = (
    ("FULL", "2026-11-22T01:00:00", 100, 110),
    ("LOG", "2026-11-22T02:00:00", 105, 200),
    ("LOG", "2026-11-22T03:00:00", 200, 300),
)


def backup_set(database: str, number: int, kind: NativeKind, begun: str, first: int, last: int) -> NativeBackupSet:
    """A backup of one 10-byte file, of a database with 3 GiB of data and 1 GiB of log."""
    file = StoredFile(key=f"{keys.database_prefix(MSSQL, POINT, database)}{number:02}-1-of-1.bak", length=10, sha256="0" * 64)
    files = (("data", "D:\\a.mdf", 3 * GIB), ("log", "E:\\a.LDF", GIB))
    return NativeBackupSet(
        kind=kind,
        set_id=f"{database} {number}",
        media_set_id="m",
        files=(file,),
        compressed=False,
        checksums=True,
        server="HOST",
        version="15.0.2080",
        database_version=904,
        compatibility_level=150,
        begun_at=datetime.fromisoformat(begun),
        first_lsn=f"21:{first}:1",
        last_lsn=f"21:{last}:1",
        checkpoint_lsn="21:100:1",
        base_lsn="0:0:0",
        data_size=1,
        database_files=tuple(NativeDatabaseFile(logical_name=n, physical_path=p, size=size) for n, p, size in files),
    )


def store_point(sets: dict[str, tuple[NativeBackupSet, ...]], source_name: str | None = None) -> None:
    """A restore point of these databases, with all their files; in their headers they have another name if one is given."""
    s3 = boto3.client("s3")
    databases = tuple(
        NativeDatabaseBackup(name=name, source_name=source_name or name, database_id="i", backup_sets=chain) for name, chain in sets.items()
    )
    manifest = Manifest(
        point_id=POINT,
        instance=MSSQL,
        engine="sqlserver",
        engine_version="15.0.2080",
        created_at=datetime(2026, 11, 22, 4, tzinfo=UTC),
        native_databases=databases,
    )
    for file in (file for database in databases for file in database.files if file.length < 100):
        s3.put_object(Bucket="repository", Key=file.key, Body=b"x" * file.length)
    s3.put_object(Bucket="repository", Key=keys.manifest_key(MSSQL, POINT), Body=manifest.to_json().encode())


def store_chains(change: dict[str, Any] | None = None) -> None:
    """`crm` with a full backup and two logs, `stock` with a full backup; the last set of each may be changed."""
    crm = tuple(backup_set("crm", n, *one) for n, one in enumerate(CHAIN, start=1))
    chains = {"crm": crm, "stock": (backup_set("stock", 1, *CHAIN[0]),)}
    store_point({n: (*sets[:-1], sets[-1].model_copy(update=_of_database(n, change or {}))) for n, sets in chains.items()})


def _of_database(name: str, change: dict[str, Any]) -> dict[str, Any]:
    """The same change, its files where the database's lie."""
    prefix = keys.database_prefix(MSSQL, POINT, name)
    files = [file.model_copy(update={"key": prefix + file.key}) for file in change.get("files", ())]
    return change | ({"files": tuple(files)} if files else {})


def create_target(world: World, **settings: Any) -> None:
    values = {"Engine": "sqlserver-se", "EngineVersion": "15.00.4430.1.v1", "Port": 1433, "OptionGroupName": "native"}
    create_instance(MSSQL, world.group_list, **(values | settings))
    free_storage(MSSQL, 50.0 * GIB)


def option_group(name: str, *options: dict[str, Any]) -> None:
    rds = boto3.client("rds")
    rds.create_option_group(OptionGroupName=name, EngineName="sqlserver-se", MajorEngineVersion="15.00", OptionGroupDescription=name)
    if options:
        rds.modify_option_group(OptionGroupName=name, OptionsToInclude=list(options), ApplyImmediately=True)


def memberships(world: World, *groups: tuple[str, str]) -> None:
    """RDS says that the instance belongs to these option groups, each with its status."""
    said = [{"OptionGroupName": name, "Status": status} for name, status in groups]
    world.patch.setattr(DBInstance, "option_group_memberships", property(lambda instance: said))


def with_role(role: str) -> dict[str, Any]:
    settings = [{"Name": "IAM_ROLE_ARN", "Value": role}]
    return {"OptionName": "SQLSERVER_BACKUP_RESTORE", "OptionSettings": settings}


@pytest.fixture
def sql_server(world: World) -> World:
    """An instance that native backups can be restored into, and a restore point of two databases."""
    option_group("native", with_role(ROLE))
    create_target(world)
    store_chains()
    return world


def asking(*databases: Any, **more: Any) -> dict[str, Any]:
    return {"target": {"dbInstance": MSSQL}, "databases": list(databases) or ["crm"], **more}


def plan(request: dict[str, Any], name: str = "restore-1", **more: Any) -> dict[str, Any]:
    return plan_restore({"request": request, "executionArn": execution_arn(name), **more}, None)


def refused(kind: type[RestoreError], request: dict[str, Any] | None = None, **more: Any) -> list[str]:
    """The lines of the refusal, which is the same in mode `plan`."""
    told = []
    for mode in ("plan", "restore"):
        with pytest.raises(RestoreError) as caught:
            plan({**(request or asking()), "mode": mode}, **more)
        assert type(caught.value) is kind, str(caught.value)
        told.append(str(caught.value).splitlines())
    assert told[0] == told[1]
    assert boto3.client("dynamodb").scan(TableName="ledger")["Items"] == []
    return told[0]


def sized(data: int, log: int) -> dict[str, Any]:
    files = (("D:\\a.mdf", data // 2), ("D:\\b.ndf", data - data // 2), ("E:\\a.LDF", log))
    return {"database_files": tuple(NativeDatabaseFile(logical_name="f", physical_path=path, size=size) for path, size in files)}


# What a point knows since it reads backups whole


def known(model: RecoveryModel = "FULL", **checks: Any) -> dict[str, Any]:
    """What newer points know of a backup set."""
    recomputed = NativeChecks(**{"length": 1000, "covered": 819, "pages": 90, **checks})
    return {"finished_at": datetime(2026, 11, 22, 3, 20), "recovery_model": model, "checks": recomputed}


def multi_az(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, MultiAZ=True)
