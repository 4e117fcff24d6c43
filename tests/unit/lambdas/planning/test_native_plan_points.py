"""Which restore points of native backups a plan takes: sizes, files, recovery models, versions."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import (
    BackupDamaged,
    NotEnoughStorage,
    RestoreError,
)
from dbrestore.contract.manifest import (
    RecoveryModel,
    StoredFile,
)
from dbrestore.contract.sqlserver_errors import (
    BackupTooLarge,
    BackupTooOld,
    BaseBackupMissing,
    EditionLimit,
    RecoveryModelRefused,
    SystemDatabaseRefused,
    TooManyStripes,
)
from tests.statemachine.world import POINT, World
from tests.unit.lambdas.planning.native_plans import (
    CHAIN,
    GIB,
    MSSQL,
    ROLE,
    TARGET,
    asking,
    backup_set,
    create_target,
    known,
    multi_az,
    option_group,
    plan,
    refused,
    sized,
    sql_server,
    store_chains,
    store_point,
    with_role,
)
from tests.unit.lambdas.planning.test_plan_restore import free_storage

__all__ = ["sql_server"]


def test_too_little_free_storage_for_the_restored_files_is_refused_with_both_numbers(sql_server: World) -> None:
    free_storage(MSSQL, 7.0 * GIB)

    assert refused(NotEnoughStorage, asking("crm", "stock")) == [
        f"{TARGET} needs about 8.0 GiB for the files of the databases, but only 7.0 GiB is free: grow its storage first, because storage "
        "autoscaling is too slow for a restore"
    ]


def test_space_for_the_asked_database_alone_is_enough(sql_server: World) -> None:
    free_storage(MSSQL, 4.0 * GIB)

    assert plan(asking("stock"))["databases"][0]["bytes"] == 4 * GIB


def test_express_takes_no_database_with_more_data_than_it_may_hold(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, Engine="sqlserver-ex")
    store_chains(sized(data=12 * GIB, log=0))

    assert refused(EditionLimit, asking("stock", "crm")) == [
        f"/databases/{n}/name: '{name}' has data files of 12.0 GiB, and {MSSQL} is an Express edition, whose databases end at 10 GiB: "
        "restore into another edition"
        for n, name in enumerate(["stock", "crm"])
    ]


@pytest.mark.parametrize(
    ("engine", "version", "data", "log"),
    [
        ("sqlserver-ex", "15.00.4430.1.v1", 10, 5),
        ("sqlserver-ex", "17.00.4006.2.v1", 50, 5),
        ("sqlserver-se", "15.00.4430.1.v1", 12, 0),
    ],
)
def test_the_log_does_not_count_for_express_and_nothing_for_other_editions(
    world: World, engine: str, version: str, data: int, log: int
) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, Engine=engine, EngineVersion=version)
    free_storage(MSSQL, 200.0 * GIB)
    store_chains(sized(data * GIB, log * GIB))

    assert plan(asking())["databases"][0]["bytes"] == (data + log) * GIB


FILE = f"{MSSQL}/{POINT}/crm/02-1-of-1.bak"


def lose_file() -> None:
    boto3.client("s3").delete_object(Bucket="repository", Key=FILE)


def cut_file() -> None:
    boto3.client("s3").put_object(Bucket="repository", Key=FILE, Body=b"x" * 9)


@pytest.mark.parametrize(
    ("harm", "kind", "part"),
    [
        (lose_file, BackupDamaged, "is missing from the repository"),
        (cut_file, BackupDamaged, "has 9 bytes, the manifest says 10"),
    ],
)
def test_a_file_that_could_not_be_staged_is_refused(
    sql_server: World, harm: Callable[[], None], kind: type[RestoreError], part: str
) -> None:
    harm()

    [line] = refused(kind)

    assert line.startswith(f"/databases/0/name: {FILE} {part}")


def file(length: int = 10, number: int = 0) -> StoredFile:
    return StoredFile(key=f"stripe-{number}", length=length, sha256="0" * 64)


@pytest.mark.parametrize(
    ("change", "kind", "sentence"),
    [
        ({"kind": "LOG"}, BaseBackupMissing, "'stock' doesn't begin with a full backup in this restore point: choose another one"),
        (
            {"files": tuple(file(number=n) for n in range(11))},
            TooManyStripes,
            "'stock' has a backup of 11 files, and RDS restores 10 at most: back it up to fewer",
        ),
        (
            {"files": (file(length=(5 << 40) + 1),)},
            BackupTooLarge,
            f"{keys.database_prefix(MSSQL, POINT, 'stock')}stripe-0 has 5,497,558,138,881 bytes, and RDS restores files up to 5 TB: "
            "back up to several files",
        ),
    ],
    ids=["no full backup", "eleven files", "5 TB and a byte"],
)
def test_a_point_made_by_other_means_is_held_to_the_same_limits(
    sql_server: World, change: dict[str, Any], kind: type[RestoreError], sentence: str
) -> None:
    store_chains(change)

    assert refused(kind, asking("stock")) == [f"/databases/0/name: {sentence}"]


def test_the_plan_tells_recovery_model_finish_and_the_share_under_a_checksum(sql_server: World) -> None:
    store_chains(known("SIMPLE"))

    assert plan(asking("crm", "stock"))["notes"] == [
        "crm: full backup begun 2026-11-22 01:00:00; log backups 2, the last begun 2026-11-22 03:00:00, finished 2026-11-22 03:20:00; "
        "recovery model SIMPLE; 1 of 3 backups checked: 81 % of their bytes are under a checksum",
        "stock: full backup begun 2026-11-22 01:00:00, finished 2026-11-22 03:20:00; recovery model SIMPLE; 81 % of its bytes are under a "
        "checksum",
    ]


def test_a_share_is_all_only_if_it_is_all(sql_server: World) -> None:
    store_chains(known(length=100_000, covered=99_999))
    assert plan(asking("stock", mode="plan"))["notes"][0].endswith("; 99 % of its bytes are under a checksum")

    store_chains(known(length=100_000, covered=100_000))
    assert plan(asking("stock", mode="plan"))["notes"][0].endswith("; 100 % of its bytes are under a checksum")


@pytest.mark.parametrize("model", ["SIMPLE", "BULK_LOGGED"])
def test_multi_az_refuses_a_backup_of_another_recovery_model_than_full(world: World, model: RecoveryModel) -> None:
    multi_az(world)
    store_chains(known(model))

    [crm, stock] = refused(RecoveryModelRefused, asking("crm", {"name": "stock", "as": "Lager"}))

    assert crm == (
        f"/databases/0/name: 'crm' was in the recovery model {model} when it was backed up, and {MSSQL} is Multi-AZ, where RDS restores "
        "only FULL: run ALTER DATABASE [crm] SET RECOVERY FULL at the source and make a new full backup, or turn Multi-AZ off for the "
        "restore"
    )
    assert stock.startswith("/databases/1/name: 'stock' was in the recovery model ")


def test_a_set_that_is_not_restored_does_not_refuse_the_others(world: World) -> None:
    multi_az(world)
    store_chains(known("BULK_LOGGED"))

    told = plan(asking("crm", sqlserver={"stopAt": "2026-11-22T01:30:00"}))

    assert told["native"]["stagedBytes"] == 20


def test_multi_az_takes_a_backup_that_is_known_to_be_full_without_a_word(world: World) -> None:
    multi_az(world)
    store_chains(known("FULL"))

    assert len(plan(asking("stock"))["notes"]) == 1


def test_a_single_instance_takes_every_recovery_model(sql_server: World) -> None:
    store_chains(known("SIMPLE"))

    assert plan(asking("stock"))["databases"][0]["name"] == "stock"


@pytest.mark.parametrize("source", ["master", "MODEL", "msdb", "tempdb", "rdsadmin", "resource", "mssqlsystemresource"])
def test_a_system_database_is_refused_whatever_the_point_calls_it(sql_server: World, source: str) -> None:
    store_point({"crm": (backup_set("crm", 1, *CHAIN[0]),)}, source_name=source)

    assert refused(SystemDatabaseRefused) == [
        f"/databases/0/name: 'crm' is a backup of the system database {source}, and RDS keeps its own: restore user databases, and run "
        "whatever else a server needs as scripts"
    ]


def test_a_backup_of_sql_server_2000_is_refused(sql_server: World) -> None:
    store_chains({"version": "8.0.2039"})

    assert refused(BackupTooOld, asking("stock")) == [
        "/databases/0/name: 'stock' was backed up by SQL Server 2000 (8.0.2039), and SQL Server 2008 R2 was the last to restore such "
        "backups: restore it there, and back it up there"
    ]
