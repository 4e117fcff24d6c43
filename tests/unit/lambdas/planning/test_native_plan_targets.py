"""Which instances of RDS for SQL Server a plan takes: option group, role, engine, status, version, replicas."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.rds.models import DBInstance, rds_backends

from dbrestore.contract.errors import (
    CheckRefused,
    CredentialsNotUsable,
    EngineMismatch,
    NotReady,
    NotSupportedYet,
    TargetNotUsable,
    TargetVersionTooOld,
)
from dbrestore.contract.sqlserver_errors import (
    CrossRegionReplica,
    NativeBackupOptionMissing,
)
from tests.statemachine.world import ACCOUNT, INSTANCE, POINT, REGION, World
from tests.unit.lambdas.planning.native_plans import (
    MSSQL,
    ROLE,
    TARGET,
    asking,
    create_target,
    memberships,
    option_group,
    plan,
    refused,
    sql_server,
    store_chains,
    with_role,
)

__all__ = ["sql_server"]


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
