"""Rules of adoption become rules of EventBridge, and rights to read what they name and nothing else."""

import json
from typing import Any

import pytest

from .conftest import ACCOUNT, REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

EXAMPLE = ROOT / "examples" / "configuration" / "adoption.json"
REPOSITORY = f"dbrestore-repository-{ACCOUNT}-{REGION}-an"


@pytest.fixture(scope="session")
def adopting(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = synthesise(tmp_path_factory.mktemp("adoption") / "out", adoptionConfiguration=str(EXAMPLE))
    return template_of(folder, "DbrestoreControl")


def rules(template: Template) -> dict[str, dict[str, Any]]:
    return {one["Description"].removeprefix("dbrestore: "): one for one in template.of_type("AWS::Events::Rule").values()}


def functions(template: Template) -> set[str]:
    return {one["FunctionName"] for one in template.of_type("AWS::Lambda::Function").values()}


def test_without_a_rule_nothing_listens(control: Template) -> None:
    assert not [told for told in rules(control) if "adoption" in told or "arrive" in told]
    assert functions(control) & {"dbrestore-HearArrival", "dbrestore-AdoptArrivals", "dbrestore-ListAdoptions"} == {
        "dbrestore-ListAdoptions"
    }


def test_each_rule_hears_of_its_bucket_and_what_begins_like_its_keys(adopting: Template) -> None:
    heard = {told.rpartition(" ")[2]: one["EventPattern"] for told, one in rules(adopting).items() if "rule of adoption" in told}

    assert heard == {
        name: {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix}]}},
        }
        for name, bucket, prefix in (
            ("orders-nightly", "example-nightly-dumps", "orders/"),
            ("archive-weekly", "example-weekly-dumps", "archive/"),
            ("crm-native", "example-native-backups", "crm/"),
        )
    }
    assert rules(adopting)["make restore points of what has arrived and settled"]["ScheduleExpression"] == "rate(5 minutes)"


def test_the_function_may_read_what_the_rules_name_and_write_points_of_their_instances(adopting: Template) -> None:
    role = adopting.only("AWS::IAM::Role", RoleName=f"dbrestore-control-AdoptArrivals-{REGION}")
    statements = role["Policies"][0]["PolicyDocument"]["Statement"]
    allowed = {action: set() for statement in statements for action in listed(statement["Action"])}
    for statement in statements:
        for action in listed(statement["Action"]):
            allowed[action] |= set(listed(statement["Resource"]))

    read = {f"arn:aws:s3:::{place}" for place in ("example-nightly-dumps/orders/*", "example-weekly-dumps/archive/*")}
    points = {
        f"arn:aws:s3:::{REPOSITORY}/{folder}{instance}/*"
        for folder in ("", ".unfinished/")
        for instance in ("orders-prod", "archive-prod", "crm-mssql")
    }
    assert allowed["s3:GetObjectVersion"] == {*read, "arn:aws:s3:::example-native-backups/crm/*"}
    assert allowed["s3:PutObject"] == allowed["s3:DeleteObject"] == points
    assert allowed["kms:Decrypt"] == {"arn:aws:kms:eu-central-1:333333333333:key/11111111-2222-3333-4444-555555555555"}
    assert "s3:DeleteObjectVersion" not in allowed
    assert len(json.dumps(role["Policies"])) < 10_240


def test_the_function_that_copies_dumps_may_read_what_rules_of_dumps_name(adopting: Template) -> None:
    role = adopting.only("AWS::IAM::Role", RoleName=f"dbrestore-control-CopyDumps-{REGION}")
    read = {
        one
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if "s3:GetObjectVersion" in listed(statement["Action"])
        for one in listed(statement["Resource"])
    }

    assert read == {f"arn:aws:s3:::{place}" for place in ("example-nightly-dumps/orders/*", "example-weekly-dumps/archive/*")}
    told = adopting.only("AWS::SSM::Parameter", Name="/dbrestore/control")["Value"]
    assert '"placesCopied":["s3://example-nightly-dumps/orders/","s3://example-weekly-dumps/archive/"]' in str(told)


def test_the_doctor_may_read_the_notifications_of_these_buckets_and_nothing_in_them(adopting: Template) -> None:
    role = adopting.only("AWS::IAM::Role", RoleName=f"dbrestore-control-ExamineInstallation-{REGION}")
    named = [
        (listed(statement["Action"]), set(listed(statement["Resource"])))
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if "example-" in json.dumps(statement["Resource"])
    ]

    buckets = {f"arn:aws:s3:::example-{one}" for one in ("nightly-dumps", "weekly-dumps", "native-backups")}
    assert named == [(["s3:GetBucketNotification"], buckets)]


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_people_are_told_by_a_line_without_names_of_files_and_by_an_alarm(adopting: Template) -> None:
    rule = rules(adopting)["tell people of backups that did not become restore points"]

    assert (rule["EventPattern"]["source"], rule["EventPattern"]["detail-type"]) == (["dbrestore.adoption"], ["Backups Not Adopted"])
    [target] = rule["Targets"]
    assert set(target["InputTransformer"]["InputPathsMap"].values()) == {"$.detail.count", "$.detail.rule"}
    assert "dbrestore-BackupsNotAdopted" in {one["AlarmName"] for one in adopting.of_type("AWS::CloudWatch::Alarm").values()}


def test_what_the_bus_cant_deliver_is_kept(adopting: Template) -> None:
    targets = [target for told, one in rules(adopting).items() if "adopt" in told or "settled" in told for target in one["Targets"]]

    assert targets
    assert all("DeadLetterConfig" in target for target in targets)
    kept = {one["FunctionName"] for one in adopting.of_type("AWS::Lambda::EventInvokeConfig").values()}
    assert len(kept) == sum(name.removeprefix("dbrestore-") in HEARING for name in functions(adopting))


HEARING = {"HearRetrieval", "SweepLedger", "RemoveAbandonedPoints", "CleanUpStrays", "RemovePoints", "HearArrival", "AdoptArrivals"}
