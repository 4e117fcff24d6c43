"""PlanRestore for SQL Server: what RDS would refuse hours later is refused before anything exists, and what a plan says."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.contract.errors import (
    DatabaseBusy,
    DatabaseNotInRestorePoint,
    RestoreRequestInvalid,
    SqlServerConfigurationInvalid,
    TargetNotFound,
)
from dbrestore.contract.sqlserver_errors import PointInTimeUnreachable
from tests.statemachine.world import ACCOUNT, INSTANCE, POINT, World
from tests.unit.lambdas.planning.native_plans import (
    GIB,
    MSSQL,
    ROLE,
    asking,
    create_target,
    known,
    option_group,
    plan,
    refused,
    sql_server,
    store_chains,
)
from tests.unit.lambdas.planning.test_native_plan_targets import replicas
from tests.unit.lambdas.planning.test_plan_restore import free_storage

__all__ = ["sql_server"]


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
