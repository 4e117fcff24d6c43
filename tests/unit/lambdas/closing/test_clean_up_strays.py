"""What carries our tags and belongs to no open restore: told at once, removed at the second sighting, and nothing else touched."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.sts.models import STSBackend

from dbrestore.contract import limits, names
from lambdas.closing.clean_up_strays import STRAYS, clean_up_strays
from lambdas.runtime.state import Surroundings
from tests.statemachine.engines import SQLSERVER
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION, World, execution_arn

OURS = names.installation(MACHINE_ARN)
RESTORE = names.restore_id(execution_arn("restore-1"))
NEVER_HEARD_OF = "r-0123456789ab"


@pytest.fixture
def after(world: World) -> World:
    """A restore that is over, so that the installation knows a place."""
    assert world.run()["status"] == "SUCCEEDED"
    return world


def tags(restore: str | None = RESTORE, installation: str | None = OURS, expired: bool = True) -> dict[str, str]:
    """Of a thing of ours."""
    moment = datetime.now(UTC) + timedelta(days=-1 if expired else 1)
    values = {names.RESTORE_ID: restore, names.INSTALLATION: installation, names.MANAGED: "true", names.EXPIRES_AT: moment.isoformat()}
    return {key: value for key, value in values.items() if value}


def instance(**of: Any) -> str:
    """A worker of that restore."""
    labels: Any = [{"Key": key, "Value": value} for key, value in tags(**of).items()]
    tagged: Any = [{"ResourceType": "instance", "Tags": labels}]
    launched = boto3.client("ec2").run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1, TagSpecifications=tagged)
    return str(launched["Instances"][0]["InstanceId"])


def group(world: World, **of: Any) -> str:
    """A group of that restore, with a rule."""
    made = world.group("dbrestore-r-x-worker", tags(**of))
    boto3.client("ec2").authorize_security_group_ingress(GroupId=made, IpProtocol="tcp", FromPort=1, ToPort=1, CidrIp="10.0.0.0/8")
    return made


def bucket(number: int, **of: Any) -> str:
    """A temporary bucket with an object in it."""
    s3, name = boto3.client("s3"), names.staging_bucket("dbrestore", number, ACCOUNT, REGION)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    labels: Any = [{"Key": key, "Value": value} for key, value in tags(**of).items()]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": labels})
    s3.put_object(Bucket=name, Key="r/1", Body=b"1")
    return name


def look(world: World, dry_run: bool = False) -> dict[str, tuple[str, str]]:
    """What is told of each thing: its outcome and why."""
    told = world.call("CleanUpStrays", {"dryRun": dry_run})
    assert not told.get("unseen")
    return {one["physicalId"]: (one["outcome"], one["why"]) for one in told.get("strays", [])}


def pass_some_time(world: World) -> None:
    world.clock.let_pass(seconds=limits.STRAY_LOOKS_APART + 1)


def state_of(instance_id: str) -> str:
    found = boto3.client("ec2").describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


def test_what_a_closed_restore_left_goes_at_the_second_sighting(after: World) -> None:
    before = after.inventory()
    left = {instance(), group(after)}

    first, again = look(after), look(after)
    pass_some_time(after)
    second = look(after)

    assert {i: outcome for i, (outcome, _) in first.items()} == dict.fromkeys(left, "waiting")
    assert again.keys() == left, "a second look at once is no second sighting"
    assert {i: outcome for i, (outcome, _) in second.items()} == dict.fromkeys(left, "removed")
    assert look(after) == {}
    assert Surroundings().table.query(STRAYS) == ()
    for kind in ("instances", "groups", "rules"):
        assert [i for i in after.inventory()[kind] if i in left] == [], kind
    assert after.inventory()["group list"] == before["group list"]


def test_what_an_open_restore_made_is_never_touched(world: World) -> None:
    seen: list[dict[str, Any]] = []

    def look_twice() -> None:
        seen.append(look(world))
        pass_some_time(world)
        seen.append(look(world))

    world.before["VerifyDatabases"] = look_twice

    assert world.run()["status"] == "SUCCEEDED"
    assert seen == [{}, {}]


def test_the_bucket_of_an_open_restore_is_never_touched(world: World) -> None:
    world.use(SQLSERVER)
    seen: list[dict[str, Any]] = []

    def look_twice() -> None:
        seen.append(look(world))
        pass_some_time(world)
        seen.append(look(world))

    world.before["RestoreNativeBackups"] = look_twice

    assert world.run()["status"] == "SUCCEEDED"
    assert seen == [{}, {}]


def test_a_bucket_that_nobody_holds_goes_with_its_objects(world: World) -> None:
    assert world.use(SQLSERVER).run()["status"] == "SUCCEEDED"
    over, to_come = bucket(1), bucket(7)

    assert look(world)[over][0] == "waiting"
    pass_some_time(world)
    told = look(world)

    assert {i: outcome for i, (outcome, _) in told.items()} == {over: "removed"}
    assert [b["Name"] for b in boto3.client("s3").list_buckets()["Buckets"] if b["Name"].startswith("dbrestore")] == [to_come]


@pytest.mark.parametrize(
    ("of", "why"),
    [
        ({"installation": "123456789012/eu-central-1/dbrestore-test", "restore": NEVER_HEARD_OF}, None),
        ({"installation": None, "restore": NEVER_HEARD_OF}, "delete it by hand"),
        ({"restore": NEVER_HEARD_OF, "expired": False}, "removed once it has expired"),
    ],
    ids=["another installation's", "nobody says whose", "a restore that the ledger lost, and that may run"],
)
def test_what_may_be_of_use_to_somebody_stays(after: World, of: dict[str, Any], why: str | None) -> None:
    theirs = instance(**of)

    look(after)
    pass_some_time(after)
    told = look(after)

    assert state_of(theirs) == "running"
    assert told.keys() == ({theirs} if why else set())
    assert why is None or why in told[theirs][1]


@pytest.mark.parametrize("of", [{"restore": NEVER_HEARD_OF}, {"installation": None}], ids=["lost by the ledger", "of an older version"])
def test_what_is_certainly_ours_goes_also_with_fewer_tags(after: World, of: dict[str, Any]) -> None:
    ours = instance(**of)

    look(after)
    pass_some_time(after)

    assert look(after)[ours][0] == "removed"
    assert state_of(ours) in ("shutting-down", "terminated")


def test_a_dry_run_removes_and_remembers_nothing(after: World) -> None:
    left = instance()

    for _ in range(3):
        assert look(after, dry_run=True)[left][0] == "waiting"
        pass_some_time(after)

    assert state_of(left) == "running"
    assert Surroundings().table.query(STRAYS) == ()
    assert kept_reports() == []


def test_a_group_that_something_still_carries_is_kept_and_told(after: World) -> None:
    carried = group(after)
    after.change_group_list(*after.group_list, carried)

    look(after)
    pass_some_time(after)
    outcome, why = look(after)[carried]

    assert outcome == "kept"
    assert "carries or names the group" in why


def test_the_report_is_kept_beside_the_evidence(after: World) -> None:
    left = instance()

    look(after)

    (report,) = kept_reports()
    assert [one["physicalId"] for one in report["strays"]] == [left]


def test_a_place_that_cannot_be_looked_at_is_told_and_keeps_nobody_else_waiting(after: World) -> None:
    left = instance()
    table = Surroundings().table
    (row,) = table.query("RESTORES")
    elsewhere = {"dbInstance": "orders", "account": ACCOUNT, "region": "eu-west-1"}
    table.write(table.put({**row, "sk": row["sk"] + "0", "target": elsewhere}))
    assume = STSBackend.assume_role

    def assume_role(backend: Any, *session: Any, **named: Any) -> Any:
        if "eu-west-1" in str((session, named)):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no such role"}}, "AssumeRole")
        return assume(backend, *session, **named)

    after.patch.setattr(STSBackend, "assume_role", assume_role)

    told = after.call("CleanUpStrays", {"dryRun": False})

    assert [one["physicalId"] for one in told["strays"]] == [left]
    assert told["places"] == [f"{ACCOUNT}/{REGION}", f"{ACCOUNT}/eu-west-1"]
    assert told["unseen"] == [f"{ACCOUNT}/eu-west-1: AWS refused AssumeRole: AccessDenied: no such role"]


@pytest.mark.parametrize("at", ["", "soon", "2026-01-01"])
def test_a_tag_that_somebody_wrote_ends_nothing(after: World, at: str) -> None:
    theirs = instance(restore=NEVER_HEARD_OF)
    boto3.client("ec2").create_tags(Resources=[theirs], Tags=[{"Key": names.EXPIRES_AT, "Value": at}])

    assert look(after)[theirs][0] == "waiting"


def test_the_function_takes_a_persons_question_and_names_what_is_wrong_with_it(after: World) -> None:
    with pytest.raises(Exception, match="dryrun"):
        clean_up_strays({"dryrun": True}, None, after.surroundings())


def kept_reports() -> list[Any]:
    s3 = boto3.client("s3")
    found = s3.list_objects_v2(Bucket="evidence", Prefix="strays/").get("Contents", [])
    return [json.loads(s3.get_object(Bucket="evidence", Key=one["Key"])["Body"].read()) for one in found]
