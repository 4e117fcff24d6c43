"""A manifest that somebody changes after the plan: whoever reads it next refuses it, and nothing stays behind."""

import hashlib

import boto3
import pytest

from dbrestore.contract import keys
from dbrestore.contract.errors import BackupDamaged
from dbrestore.worker.base.job_folder import Location, read_manifest
from tests.statemachine.engines import POSTGRES, SQLSERVER, Engine
from tests.statemachine.test_archive import archive, files
from tests.statemachine.world import World


def change_manifests() -> None:
    """The same manifests with a blank behind them: nothing that a reader would see but for the digest."""
    s3 = boto3.client("s3")
    for item in s3.list_objects_v2(Bucket="repository")["Contents"]:
        if item["Key"].endswith(keys.MANIFEST):
            text = s3.get_object(Bucket="repository", Key=item["Key"])["Body"].read()
            s3.put_object(Bucket="repository", Key=item["Key"], Body=text + b" ")


@pytest.mark.parametrize(
    ("engine", "before"),
    [
        (SQLSERVER, "StageNativeBackups"),
        (SQLSERVER, "RestoreNativeBackups"),
        (SQLSERVER, "VerifyDatabases"),
        (POSTGRES, "RequestRetrieval"),
    ],
    ids=str,
)
def test_a_state_refuses_a_manifest_that_was_changed_after_the_plan(world: World, engine: Engine, before: str) -> None:
    inventory = world.use(engine).inventory()
    if before == "RequestRetrieval":
        archive("GLACIER", *files(engine.instance))
    world.before[before] = change_manifests

    ended = world.run()

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert "was changed after the restore had been planned: its SHA-256 was" in ended["cause"]
    assert world.inventory() == inventory


@pytest.mark.parametrize("engine", [POSTGRES, SQLSERVER], ids=str)
def test_plan_job_and_report_name_the_digest_of_the_manifest(world: World, engine: Engine) -> None:
    assert world.use(engine).run()["status"] == "SUCCEEDED"

    planned = world.report()["source"]
    where = Location.parse(planned["manifest"])
    text = boto3.client("s3").get_object(Bucket=where.bucket, Key=where.key)["Body"].read()
    assert planned["manifestSha256"] == hashlib.sha256(text).hexdigest()
    assert {job.manifest_sha256 for job in world.worker.jobs} == {planned["manifestSha256"]}


@pytest.mark.parametrize("engine", [POSTGRES, SQLSERVER], ids=str)
def test_a_worker_refuses_a_manifest_that_was_changed_after_the_plan(world: World, engine: Engine) -> None:
    world.use(engine).run()
    job, s3 = world.worker.jobs[0], boto3.client("s3")
    assert read_manifest(s3, job).instance == engine.instance

    change_manifests()

    with pytest.raises(BackupDamaged, match="was changed after the restore had been planned"):
        read_manifest(s3, job)
    assert read_manifest(s3, job.model_copy(update={"manifest_sha256": None})).instance == engine.instance
