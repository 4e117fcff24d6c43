"""A drill of native backups, and the same with damage on purpose: the real definition, functions and worker, and a simulated server."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.evidence import Evidence
from localcloud.sqlserver.databases import Contents
from tests.native.installation import DATABASE, Installation
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.test_drills import declare, declared, start
from tests.unit.points.sqlserver.test_samples import SAMPLES

__all__ = ["declare"]

CHECKS = [{"name": "orders", "sql": "SELECT COUNT(*) FROM orders", "expect": 2}]


def repository() -> dict[str, bytes]:
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket="repository")["Contents"]
    return {one["Key"]: s3.get_object(Bucket="repository", Key=one["Key"])["Body"].read() for one in found}


def drill(native: Installation, declare: Any, *databases: str, **order: Any) -> dict[str, Any]:
    declare(declared(SQLSERVER, databases=list(databases or [DATABASE]), checks=CHECKS))
    native.switches.source_contents = Contents(tables={"orders": (("id",), [(1,), (2,)])})
    native.request = start(**order)
    return native.run()


def test_a_drill_asks_its_checks_and_leaves_nothing(native: Installation, declare: Any) -> None:
    before = native.inventory()

    ended = drill(native, declare)

    assert ended["status"] == "SUCCEEDED", ended
    assert native.inventory() == before


def test_the_same_with_damage_ends_red_before_rds_is_asked(native: Installation, declare: Any) -> None:
    before, stored = native.inventory(), repository()

    ended = drill(native, declare, withDamage=True)

    assert (ended["status"], ended["error"]) == ("FAILED", "StagedCopyDiffers")
    assert native.tasks() == []
    native.fix()
    assert native.inventory() == before
    assert repository() == stored
    report = native.world.report()
    assert (report["status"], report["leftovers"]) == ("FAILED", [])
    key = keys.restore_prefix(report["restoreId"]) + "evidence.json"
    evidence = boto3.client("s3").get_object(Bucket="evidence", Key=key)["Body"].read()
    assert Evidence.from_json(evidence).damage


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample backups here")
@pytest.mark.parametrize(("file", "database"), [("compressed-2016.bak", "TutorialDB"), ("full-2019.bak", "Northwind")])
def test_damage_of_real_backups_is_found(native: Installation, declare: Any, file: str, database: str) -> None:
    native.point_of([Path(SAMPLES, file)])

    ended = drill(native, declare, database, withDamage=True)

    assert (ended["status"], ended["error"]) == ("FAILED", "StagedCopyDiffers")
    assert native.tasks() == []
