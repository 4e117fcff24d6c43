"""Restore points whose files stay in somebody's bucket: read by their versions, and refused by the plan when these are no longer there."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dbrestore.contract.manifest import Manifest, ObjectReference, StoredFile
from dbrestore.points import stored_points
from dbrestore.points.unfinished_point import write_manifest
from lambdas.archive.arrivals import wake_restore
from localcloud.s3 import glacier_objects
from tests.statemachine.engines import ENGINES, POSTGRES, SQLSERVER, Engine
from tests.statemachine.world import REGION, World

BUCKET = "team-backups"
both = pytest.mark.parametrize("engine", ENGINES, ids=str)


def move_out(engine: Engine, storage_class: Any = "STANDARD") -> tuple[ObjectReference, ...]:
    """The instance's point, as if it had been added in place: its files lie in somebody's bucket, and none in the repository."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    point = stored_points.load(s3, "repository", engine.instance)
    moved = {file.key: _moved(file, storage_class) for file in point.files}
    write_manifest(s3, "repository", _with(point, moved))
    for file in point.files:
        s3.delete_object(Bucket="repository", Key=file.key)
    return tuple(file.reference for file in stored_points.load(s3, "repository", engine.instance).files if file.reference)


def _moved(file: StoredFile, storage_class: Any) -> StoredFile:
    s3, key = boto3.client("s3"), f"nightly/{file.key}"
    body = s3.get_object(Bucket="repository", Key=file.key)["Body"].read()
    told = s3.put_object(Bucket=BUCKET, Key=key, Body=body, StorageClass=storage_class)
    reference = ObjectReference(bucket=BUCKET, key=key, version_id=told["VersionId"], etag=told["ETag"])
    return file.model_copy(update={"reference": reference})


def _with(point: Manifest, files: dict[str, StoredFile]) -> Manifest:
    dumps = [one.model_copy(update={"files": tuple(files[f.key] for f in one.files)}) for one in point.databases]
    natives = [
        one.model_copy(
            update={"backup_sets": tuple(s.model_copy(update={"files": tuple(files[f.key] for f in s.files)}) for s in one.backup_sets)}
        )
        for one in point.native_databases
    ]
    return point.model_copy(update={"databases": tuple(dumps), "native_databases": tuple(natives)})


@both
def test_it_is_restored_from_the_versions_that_were_added(world: World, engine: Engine) -> None:
    world.use(engine)
    s3, references = boto3.client("s3"), move_out(engine)
    for reference in references:
        s3.put_object(Bucket=BUCKET, Key=reference.key, Body=b"the next night's")
        s3.delete_object(Bucket=BUCKET, Key=reference.key)
    before = world.inventory()

    ended = world.run(engine.request())

    assert (ended["status"], ended.get("cause")) == ("SUCCEEDED", None)
    assert world.inventory()["buckets"] == before["buckets"]
    # Removing a restore removes nothing of somebody's.
    for reference in references:
        s3.head_object(**reference.place.arguments)


@both
def test_a_version_that_is_gone_is_refused_before_anything_is_made(world: World, engine: Engine) -> None:
    world.use(engine)
    [reference] = [one for one in move_out(engine) if "/orders/" in one.key]
    boto3.client("s3").delete_object(**reference.place.arguments)
    before = world.inventory()

    ended = world.run(engine.request())

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert f"{reference.place} is gone, which the restore point refers to" in ended["cause"]
    assert (world.inventory(), set(world.calls)) == (before, {"PlanRestore"})


@both
def test_another_etag_is_refused_before_anything_is_made(world: World, engine: Engine) -> None:
    world.use(engine)
    move_out(engine)
    s3 = boto3.client("s3")
    point = stored_points.load(s3, "repository", engine.instance)
    other = {f.key: f.model_copy(update={"reference": f.reference and f.reference.model_copy(update={"etag": '"0"'})}) for f in point.files}
    write_manifest(s3, "repository", _with(point, other))
    before = world.inventory()

    ended = world.run(engine.request())

    assert (ended["status"], ended["error"]) == ("FAILED", "BackupDamaged")
    assert " bytes, and the manifest says " in ended["cause"]
    assert world.inventory() == before


@both
def test_a_bucket_that_denies_the_plan_is_named_before_anything_is_made(world: World, engine: Engine) -> None:
    world.use(engine)
    [reference] = [one for one in move_out(engine) if "/orders/" in one.key]
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    boto3.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=_policy(statement))
    with pytest.raises(ClientError):
        boto3.client("s3").head_object(**reference.place.arguments)
    before = world.inventory()

    ended = world.run(engine.request())

    assert (ended["status"], ended["error"]) == ("FAILED", "SourceAccessDenied")
    assert f"{reference.place}: S3 denies it: name the place in configuration/in_place.json" in ended["cause"]
    assert world.inventory() == before


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize("engine", [POSTGRES, SQLSERVER], ids=str)
def test_what_was_archived_there_is_retrieved_there(world: World, engine: Engine) -> None:
    world.use(engine)
    move_out(engine, "GLACIER")

    def look() -> None:
        if glacier_objects.finish(BUCKET):
            # Nobody tells of somebody's bucket: the slow look finds it.
            wake_restore(boto3.client("stepfunctions"), world.ledger())

    world.after["RetrieveArchive"] = look

    ended = world.run(engine.request())

    assert (ended["status"], ended.get("cause")) == ("SUCCEEDED", None)
    assert world.calls.index("DeployWorker") > world.calls.index("RetrieveArchive")
    assert world.report()["archive"]["requested"] >= 1
