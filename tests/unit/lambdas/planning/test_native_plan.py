"""PlanRestore for SQL Server: what RDS would refuse hours later is refused before anything exists, and what a plan says."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.rds.models import DBInstance, rds_backends

from dbrestore.contract import keys
from dbrestore.contract.errors import (
    BackupDamaged,
    CheckRefused,
    CredentialsNotUsable,
    DatabaseBusy,
    DatabaseNotInRestorePoint,
    EngineMismatch,
    NotEnoughStorage,
    NotReady,
    NotSupportedYet,
    RestoreError,
    RestoreRequestInvalid,
    SqlServerConfigurationInvalid,
    TargetNotFound,
    TargetNotUsable,
    TargetVersionTooOld,
)
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
from dbrestore.contract.sqlserver_errors import (
    BackupTooLarge,
    BackupTooOld,
    BaseBackupMissing,
    CrossRegionReplica,
    EditionLimit,
    NativeBackupOptionMissing,
    PointInTimeUnreachable,
    RecoveryModelRefused,
    SystemDatabaseRefused,
    TooManyStripes,
)
from lambdas.planning.plan_restore import plan_restore
from tests.statemachine.world import ACCOUNT, INSTANCE, POINT, REGION, World, create_instance, execution_arn
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


def test_a_plan_names_the_databases_the_role_and_what_will_be_staged(sql_server: World) -> None:
    told = plan(asking("crm", {"name": "stock", "as": "Lager Süd"}, sqlserver={"fixUsers": True, "checkDatabase": True}))

    assert told["engine"] == "sqlserver"
    both: dict[str, Any] = {"loginRole": "", "holderRole": "", "bytes": 4 * GIB, "logBytes": GIB, "pageBytes": None, "rows": 0, "tables": 0}
    both["checked"] = "not checked: point of version 0.2"
    crm = {"name": "crm", "askedName": "crm", "temporaryName": "crm", "storedBytes": 30, "backupSets": [{"first": 1, "last": 3}]}
    stock = {
        "name": "stock",
        "askedName": "Lager Süd",
        "temporaryName": "Lager Süd",
        "storedBytes": 10,
        "backupSets": [{"first": 1, "last": 1}],
    }
    assert told["databases"] == [both | crm, both | stock]
    assert told["native"] == {
        "optionRoleArn": ROLE,
        "stagedBytes": 40,
        "stopAt": None,
        "fixUsers": True,
        "checkDatabase": True,
        "checkDecidedBy": "the request",
    }
    assert (told["target"]["engine"], told["target"]["port"]) == ("sqlserver-se", 1433)
    assert told["notes"] == [
        "crm: full backup begun 2026-11-22 01:00:00; log backups 2, the last begun 2026-11-22 03:00:00; not checked: point of version 0.2",
        "stock: full backup begun 2026-11-22 01:00:00; not checked: point of version 0.2",
    ]


def test_a_point_in_time_stages_only_what_it_needs(sql_server: World) -> None:
    boto3.client("s3").delete_object(Bucket="repository", Key=f"{MSSQL}/{POINT}/crm/03-1-of-1.bak")

    told = plan(asking(sqlserver={"stopAt": "2026-11-22T01:30:00"}))

    assert (told["native"]["stopAt"], told["native"]["stagedBytes"]) == ("2026-11-22T01:30:00", 20)
    assert told["databases"][0]["backupSets"] == [{"first": 1, "last": 2}]
    assert told["notes"] == [
        "crm: full backup begun 2026-11-22 01:00:00; log backups 1, the last begun 2026-11-22 02:00:00; up to 2026-11-22 01:30:00; "
        "not checked: point of version 0.2"
    ]


def test_a_point_in_time_out_of_reach_is_refused_for_each_database(sql_server: World) -> None:
    told = refused(PointInTimeUnreachable, asking("crm", "stock", sqlserver={"stopAt": "2026-11-22T03:30:00"}))

    assert told == [
        "/sqlserver/stopAt: 2026-11-22 03:30:00 is not before the last log backup of 'crm' began (2026-11-22 03:00:00): choose an "
        "earlier point in time, or make a restore point with a later log backup",
        "/sqlserver/stopAt: 'stock' has no log backups in this restore point: leave the point in time out",
    ]


# The option


def test_a_default_option_group_is_refused_with_the_fix(world: World) -> None:
    option_group("unused")
    create_target(world, OptionGroupName="unused")
    memberships(world, ("default:sqlserver-se-15-00", "in-sync"))
    store_chains()

    assert refused(NativeBackupOptionMissing) == [
        f"{TARGET} has the default option group default:sqlserver-se-15-00, which can't be changed: create an option group with the "
        "option SQLSERVER_BACKUP_RESTORE and its setting IAM_ROLE_ARN and attach it to the instance (it takes effect without a restart)"
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            [],
            "/target/dbInstance: the option group native of crm-mssql lacks an option: add the option SQLSERVER_BACKUP_RESTORE and its "
            "setting IAM_ROLE_ARN (it takes effect without a restart)",
        ),
        (
            [{"OptionName": "TDE"}],
            "/target/dbInstance: the option group native of crm-mssql lacks an option: add the option SQLSERVER_BACKUP_RESTORE and its "
            "setting IAM_ROLE_ARN (it takes effect without a restart)",
        ),
        (
            [{"OptionName": "SQLSERVER_BACKUP_RESTORE"}],
            "/target/dbInstance: the option SQLSERVER_BACKUP_RESTORE in native of crm-mssql has no role: set its IAM_ROLE_ARN to a role "
            "that RDS may assume (it takes effect without a restart)",
        ),
    ],
    ids=["no option", "another option", "no role"],
)
def test_an_option_group_without_the_option_or_its_role_is_refused_with_the_fix(
    world: World, options: list[dict[str, Any]], sentence: str
) -> None:
    option_group("native", *options)
    create_target(world)
    store_chains()

    assert refused(NativeBackupOptionMissing) == [sentence]


@pytest.mark.parametrize("status", ["pending-apply", "applying"])
def test_an_option_that_is_being_applied_is_waited_for(sql_server: World, status: str) -> None:
    memberships(sql_server, ("native", status))

    with pytest.raises(NotReady, match=f"the option group native of crm-mssql is {status}"):
        plan(asking())


def test_an_option_that_stays_on_its_way_is_refused_in_the_end(sql_server: World) -> None:
    memberships(sql_server, ("native", "applying"))
    long_ago = datetime.now(UTC) - timedelta(hours=2)

    [line] = refused(NativeBackupOptionMissing, startedAt=long_ago.isoformat())

    assert "is applying and still not in effect after 45 minutes" in line


@pytest.mark.parametrize("status", ["failed", "removing", "pending-removal", "pending-maintenance-apply", ""])
def test_an_option_that_time_does_not_bring_into_effect_is_refused(sql_server: World, status: str) -> None:
    memberships(sql_server, ("native", status))

    [line] = refused(NativeBackupOptionMissing)

    assert line.startswith(f"/target/dbInstance: the option group native of crm-mssql is {status or 'of unknown status'}: apply it")


def test_the_group_that_takes_anothers_place_is_the_one_that_counts(sql_server: World) -> None:
    memberships(sql_server, ("default:sqlserver-se-15-00", "removing"), ("native", "in-sync"))

    assert plan(asking())["native"]["optionRoleArn"] == ROLE


# The instance


def test_the_engines_must_match(sql_server: World) -> None:
    dumps = asking("orders", source={"dbInstance": INSTANCE})

    assert refused(EngineMismatch, dumps) == [
        f"{TARGET} is a sqlserver instance, but the restore point {POINT} is of postgres: choose another target or source"
    ]
    [line] = refused(EngineMismatch, {"target": {"dbInstance": INSTANCE}, "source": {"dbInstance": MSSQL}, "databases": ["crm"]})
    assert f"{INSTANCE} is a postgres instance, but the restore point {POINT} is of sqlserver" in line


def test_other_engines_are_refused(sql_server: World) -> None:
    instance = rds_backends[ACCOUNT][REGION].databases[MSSQL]
    sql_server.patch.setattr(instance, "engine", "oracle-se2")

    assert refused(TargetNotUsable) == [f"{TARGET} is an oracle-se2 instance: only PostgreSQL and SQL Server can be restored into"]


@pytest.mark.parametrize("engine", ["sqlserver-ee", "sqlserver-se", "sqlserver-web", "sqlserver-ex"])
def test_every_edition_can_be_restored_into(world: World, engine: str) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, Engine=engine)
    store_chains()

    assert plan(asking())["target"]["engine"] == engine


@pytest.mark.parametrize("status", ["rebooting", "modifying"])
def test_a_passing_status_is_waited_for(sql_server: World, status: str) -> None:
    instance = rds_backends[ACCOUNT][REGION].databases[MSSQL]
    sql_server.patch.setattr(instance, "status", status)

    with pytest.raises(NotReady, match=f"waiting for {MSSQL} to be available"):
        plan(asking())


def test_an_instance_without_credentials_is_refused(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, ManageMasterUserPassword=False, MasterUserPassword="s3cr3t-s3cr3t")
    store_chains()

    [line] = refused(CredentialsNotUsable)

    assert line.startswith(f"{TARGET} has no credentials for a restore: name a secret")


def test_a_secret_of_ones_own_is_planned_and_a_user_of_iam_is_refused(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, ManageMasterUserPassword=False, MasterUserPassword="s3cr3t-s3cr3t")
    store_chains()
    tags: Any = [{"Key": "dbrestore:credentials", "Value": "true"}]
    arn = boto3.client("secretsmanager").create_secret(Name="crm", SecretString="{}", Tags=tags)["ARN"]
    asked = asking()

    told = plan({**asked, "target": {**asked["target"], "credentials": {"secretArn": arn}}})
    with pytest.raises(CredentialsNotUsable, match="which only PostgreSQL has: name a secret"):
        plan({**asked, "target": {**asked["target"], "credentials": {"iamUser": "dbrestore"}}})

    assert (told["target"]["secretArn"], told["target"]["credentialsBy"]) == (arn, "the request")


def test_an_instance_older_than_sql_server_2016_is_refused(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, EngineVersion="12.00.6444.4.v1")
    store_chains({"version": "11.0.7507"})

    told, fix = "runs SQL Server 12.00.6444.4.v1, which is too old to restore into", "restore into SQL Server 2016 or newer"
    assert f"{TARGET} {told}: {fix}, or upgrade the instance" in refused(TargetVersionTooOld)


@pytest.mark.parametrize(
    ("target", "backup", "told"),
    [
        (
            "15.00.4430.1.v1",
            "16.0.4003",
            "SQL Server 2019 (15.00.4430.1.v1), the backup of 'crm' is of SQL Server 2022 (16.0.4003)",
        ),
        (
            "14.00.3465.1.v1",
            "15.0.2080",
            "SQL Server 2017 (14.00.3465.1.v1), the backup of 'crm' is of SQL Server 2019 (15.0.2080)",
        ),
        (
            "15.00.4430.1.v1",
            "18.0.100",
            "SQL Server 2019 (15.00.4430.1.v1), the backup of 'crm' is of SQL Server 18.0.100",
        ),
    ],
)
def test_a_backup_of_a_newer_server_is_refused_with_both_years(world: World, target: str, backup: str, told: str) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, EngineVersion=target)
    store_chains({"version": backup})

    fix = "SQL Server restores no backup of a newer version: upgrade the instance or restore into a newer one"
    assert refused(TargetVersionTooOld) == [f"{TARGET} is {told}, and {fix}"]


@pytest.mark.parametrize("backup", ["15.0.9999", "14.0.1", "10.50.4042", "9.0.5000"])
def test_a_newer_build_and_older_versions_are_no_obstacle(sql_server: World, backup: str) -> None:
    store_chains({"version": backup})

    assert plan(asking())["databases"][0]["name"] == "crm"


def replicas(world: World, *names: str) -> None:
    world.patch.setattr(DBInstance, "read_replica_db_instance_identifiers", property(lambda instance: list(names)))


def test_a_read_replica_in_another_region_is_refused_with_its_arn(sql_server: World) -> None:
    far = f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:crm-far"
    replicas(sql_server, "crm-near", far)

    assert refused(CrossRegionReplica) == [
        f"{TARGET} has read replicas in other Regions ({far}), and RDS restores no native backup while they exist: delete them and "
        "recreate them afterwards, or restore into another instance"
    ]


def test_a_region_without_account_regional_bucket_names_is_named(sql_server: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = f"arn:aws:rds:me-south-1:{ACCOUNT}:db:{TARGET}"
    monkeypatch.setattr(DBInstance, "db_instance_arn", property(lambda _: arn))

    assert refused(NotSupportedYet) == [
        "/target/dbInstance: S3 has no bucket names of an account's own in me-south-1, so a temporary bucket there could be anybody's: "
        "restore into an instance in another Region"
    ]


def test_a_check_that_is_no_question_of_t_sql_is_refused_at_its_place(sql_server: World) -> None:
    checks = [
        {"name": "fine", "sql": "WITH a AS (SELECT 1 AS n) SELECT n FROM a", "expect": 1},
        {"name": "not here", "sql": "VALUES (1)", "expect": 1},
        {"name": "gets out", "sql": "SELECT 1) AS a (b) COMMIT --", "expect": {"rows": 0}},
    ]

    told = refused(CheckRefused, asking(checks=checks))

    assert told == [
        f"/checks/{place}/sql: the check {name!r} is {why}: write it as a single SELECT of T-SQL that can stand in FROM (...)"
        for place, name, why in (
            (1, "not here", "not a query of T-SQL, which begins with SELECT or WITH"),
            (2, "gets out", "not one statement: it closes a parenthesis that it did not open"),
        )
    ]


def test_checks_of_t_sql_travel_with_the_plan(sql_server: World) -> None:
    planned = plan(asking(checks=[{"name": "fine", "sql": "SELECT TOP (1) [n] FROM t ORDER BY n", "expect": 1}]))

    assert [(check["name"], check["database"]) for check in planned["checks"]] == [("fine", "crm")]


def test_read_replicas_in_the_same_region_are_no_obstacle(sql_server: World) -> None:
    replicas(sql_server, "crm-near", f"arn:aws:rds:{REGION}:{ACCOUNT}:db:crm-near-2")

    assert plan(asking())["databases"][0]["name"] == "crm"


def test_a_multi_az_plan_says_what_only_rds_can_tell(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, MultiAZ=True)
    store_chains()

    notes = plan(asking("crm", "stock"))["notes"][2:]

    assert [note.split(":")[0] for note in notes] == [f"{MSSQL} is Multi-AZ", "crm"]
    assert "only backups of databases in the FULL recovery model" in notes[0]
    assert "which one it was of crm, stock: a point that is added again does" in notes[0]
    assert "once refused differential and log backups on Multi-AZ instances" in notes[1]


def test_replacing_is_refused_on_multi_az_with_the_reason(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, MultiAZ=True)
    store_chains()

    told = refused(NotSupportedYet, asking(onConflict="replace"))

    assert told == [f"/onConflict: {MSSQL} is Multi-AZ, and RDS can't rename a database there: use fail, and another name for the database"]


# Space


def test_too_little_free_storage_for_the_restored_files_is_refused_with_both_numbers(sql_server: World) -> None:
    free_storage(MSSQL, 7.0 * GIB)

    assert refused(NotEnoughStorage, asking("crm", "stock")) == [
        f"{TARGET} needs about 8.0 GiB for the files of the databases, but only 7.0 GiB is free: grow its storage first, because storage "
        "autoscaling is too slow for a restore"
    ]


def test_space_for_the_asked_database_alone_is_enough(sql_server: World) -> None:
    free_storage(MSSQL, 4.0 * GIB)

    assert plan(asking("stock"))["databases"][0]["bytes"] == 4 * GIB


def sized(data: int, log: int) -> dict[str, Any]:
    files = (("D:\\a.mdf", data // 2), ("D:\\b.ndf", data - data // 2), ("E:\\a.LDF", log))
    return {"database_files": tuple(NativeDatabaseFile(logical_name="f", physical_path=path, size=size) for path, size in files)}


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


# Names


@pytest.mark.parametrize("name", ["x" * 128, "with space", "quo'te]", "🐘" * 64, "Größe", "../../etc", "$(reboot);--"])
def test_a_name_that_sql_server_allows_is_planned_to_the_letter(sql_server: World, name: str) -> None:
    told = plan(asking({"name": "crm", "as": name}))

    assert told["databases"][0]["askedName"] == name


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x" * 129, "is 129 characters long, but SQL Server's names have at most 128: "),
        ("🐘" * 65, "is 130 characters long, but SQL Server's names have at most 128: "),
        ("a\nb", "holds a control character, which has no place in a name: "),
        ("a\0b", "holds a control character, which has no place in a name: "),
        ("crm ", "'crm ' begins or ends with a space, which SQL Server ignores when it compares names: "),
        (" crm", "' crm' begins or ends with a space, which SQL Server ignores when it compares names: "),
        *(
            (name, f"{name!r} belongs to the server: ")
            for name in (
                "master",
                "MSDB",
                "Model",
                "tempdb",
                "rdsadmin",
                "resource",
                "Distribution",
                "máster",
            )
        ),
    ],
)
def test_a_name_that_sql_server_would_refuse_is_refused_with_its_place(sql_server: World, name: str, sentence: str) -> None:
    told = refused(RestoreRequestInvalid, asking({"name": "crm", "as": name}))

    assert told == [f"/databases/0/as: {sentence}restore it under another name with `as`"]


@pytest.mark.parametrize("other", ["CRM", "crm\u0301", "ＣＲＭ"])
def test_two_names_that_sql_server_takes_for_one_are_refused_both(sql_server: World, other: str) -> None:
    told = refused(RestoreRequestInvalid, asking("crm", {"name": "stock", "as": other}))

    assert told == [
        f"/databases/0/name: 'crm' differs from {other!r} only by case or accent, which RDS for SQL Server refuses: rename one",
        f"/databases/1/as: {other!r} differs from 'crm' only by case or accent, which RDS for SQL Server refuses: rename one",
    ]


def test_postgresql_still_tells_such_names_apart(world: World) -> None:
    told = plan({"target": {"dbInstance": INSTANCE}, "databases": ["orders", {"name": "crm", "as": "Orders"}]})

    assert [database["askedName"] for database in told["databases"]] == ["orders", "Orders"]


def test_one_restore_at_a_time_brings_back_a_name_whatever_its_case(sql_server: World) -> None:
    plan(asking({"name": "crm", "as": "Büro"}))

    with pytest.raises(DatabaseBusy, match="BURO: restore r-"):
        plan(asking({"name": "crm", "as": "BURO"}), name="restore-2")


# Wishes, files, points made by other means


@pytest.mark.parametrize(("key", "value"), [("streams", 4), ("keepToastCompression", True)])
def test_a_wish_that_only_postgresql_can_fulfil_is_refused(sql_server: World, key: str, value: object) -> None:
    assert refused(RestoreRequestInvalid, asking(worker={key: value})) == [
        f"/worker/{key}: is only for PostgreSQL, and SQL Server restores its backups itself: leave it out"
    ]


def test_the_default_of_such_a_wish_does_no_harm(sql_server: World) -> None:
    wishes = {"streams": 8, "keepToastCompression": False, "maxRunHours": 3}

    assert plan(asking(worker=wishes))["worker"]["maxRunMinutes"] == 180


def test_an_unknown_database_is_refused_with_what_the_point_has(sql_server: World) -> None:
    assert refused(DatabaseNotInRestorePoint, asking("CRM")) == [
        f"/databases/0/name: the restore point {POINT} has no database 'CRM'; it has crm, stock"
    ]


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


def test_every_problem_is_in_one_answer(world: World) -> None:
    option_group("native")
    create_target(world, EngineVersion="14.00.3465.1.v1")
    store_chains()
    replicas(world, f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:crm-far")
    free_storage(MSSQL, 1.0 * GIB)
    request = asking({"name": "crm", "as": "master"}, "nothing", worker={"streams": 4}, sqlserver={"stopAt": "2026-11-22T02:30:00"})

    told = refused(RestoreRequestInvalid, request)

    assert [line.split(":")[0] for line in told] == [
        "/databases/0/as",
        "/worker/streams",
        "/databases/1/name",
        "/target/dbInstance",
        "/target/dbInstance",
        "/target/dbInstance",
        "/target/dbInstance",
    ]


def test_without_a_target_the_restore_point_says_whose_rules_hold(sql_server: World) -> None:
    request = asking({"name": "crm", "as": "x" * 100}, target={"dbInstance": "nowhere"}, source={"dbInstance": MSSQL})

    [line] = refused(TargetNotFound, request)

    assert line.startswith("/target/dbInstance: no DB instance or cluster 'nowhere'")


# What a point knows since it reads backups whole


def known(model: RecoveryModel = "FULL", **checks: Any) -> dict[str, Any]:
    """What newer points know of a backup set."""
    recomputed = NativeChecks(**{"length": 1000, "covered": 819, "pages": 90, **checks})
    return {"finished_at": datetime(2026, 11, 22, 3, 20), "recovery_model": model, "checks": recomputed}


def multi_az(world: World) -> None:
    option_group("native", with_role(ROLE))
    create_target(world, MultiAZ=True)


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


@pytest.mark.parametrize(
    ("policy", "asked", "runs", "decided"),
    [
        ("never", None, False, "the configuration (never)"),
        ("drills", None, False, "the configuration (drills)"),
        ("always", None, True, "the configuration (always)"),
        ("always", False, False, "the request"),
        ("never", True, True, "the request"),
    ],
)
def test_the_configuration_decides_on_checkdb_and_the_request_has_the_last_word(
    sql_server: World, tmp_path: Path, policy: str, asked: bool | None, runs: bool, decided: str
) -> None:
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"checkDatabase": policy}))
    sql_server.patch.setenv("SQLSERVER_CONFIGURATION", str(path))

    native = plan(asking(sqlserver={"checkDatabase": asked}))["native"]

    assert (native["checkDatabase"], native["checkDecidedBy"]) == (runs, decided)


def test_a_configuration_that_can_not_be_read_is_a_problem_of_its_own_name(sql_server: World, tmp_path: Path) -> None:
    path = tmp_path / "ours.json"
    path.write_text('{"checkDatabase": "sometimes"}')
    sql_server.patch.setenv("SQLSERVER_CONFIGURATION", str(path))

    [line] = refused(SqlServerConfigurationInvalid)

    place = "/sqlserver/checkDatabase: ours.json#/checkDatabase"
    assert line == f'{place}: must be never, drills or always, not "sometimes"'


def test_the_plan_knows_the_pages_in_use_of_the_full_backup_and_the_log_files(sql_server: World) -> None:
    store_chains(known(allocated_pages=1000))

    [crm, stock] = plan(asking("crm", "stock"))["databases"]

    assert (crm["pageBytes"], crm["logBytes"]) == (None, GIB)
    assert (stock["pageBytes"], stock["logBytes"]) == (1000 * 8192, GIB)
    assert stock["checked"] == "81 % of its bytes are under a checksum"
