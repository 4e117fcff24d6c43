"""Two installations in one account and Region: no name is taken twice, and neither may touch what the other made."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from dbrestore.contract import names as contract
from infrastructure import permissions
from tests.infrastructure.conftest import ACCOUNT, REGION, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

NAMES = ("Name", "FunctionName", "RoleName", "TableName", "BucketName", "LogGroupName", "StateMachineName", "TopicName", "QueueName")
NAMES = (*NAMES, "AlarmName", "AliasName", "InstanceProfileName", "LayerName")
# Their FunctionName is a function's.
NAMING_ANOTHER = {"AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Version", "AWS::Lambda::Permission"}
CHANGING = ("ec2:TerminateInstances", "ec2:DeleteVolume", "ec2:DeleteSecurityGroup", "ec2:AuthorizeSecurityGroupIngress", "ssm:SendCommand")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(tmp_path_factory.mktemp("second") / "out", prefix="second")


@pytest.fixture(scope="module")
def stacks(second: Path) -> tuple[Template, Template]:
    return template_of(second, "DbrestoreControl"), template_of(second, "DbrestoreTarget", VpcId="vpc-1")


def given(*templates: Template) -> set[tuple[str, str]]:
    """(type, name) of all that have a name of their own."""
    kinds = {resource["Type"] for template in templates for resource in template.content["Resources"].values()} - NAMING_ANOTHER
    return {
        (kind, properties[key])
        for template in templates
        for kind in kinds
        for properties in template.of_type(kind).values()
        for key in NAMES
        if isinstance(properties.get(key), str)
    }


def test_no_name_is_taken_twice(control: Template, target: Template, stacks: tuple[Template, Template]) -> None:
    ours, theirs = given(control, target), given(*stacks)

    assert len(ours) > 70
    assert {kind for kind, _ in ours} == {kind for kind, _ in theirs}
    assert sorted(ours & theirs) == []


def statements(template: Template) -> list[dict[str, Any]]:
    roles = template.of_type("AWS::IAM::Role").values()
    return [one for role in roles for policy in role.get("Policies", ()) for one in policy["PolicyDocument"]["Statement"]]


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize("swapped", [False, True])
def test_no_statement_names_a_thing_of_the_other(
    control: Template, target: Template, stacks: tuple[Template, Template], swapped: bool
) -> None:
    one, other = ((control, target), stacks) if not swapped else (stacks, (control, target))
    of_other = "dbrestore" if swapped else "second"
    arns = [
        f"arn:aws:s3:::{of_other}-repository-{ACCOUNT}-{REGION}-an/point/file",
        f"arn:aws:s3:::{of_other}-evidence-{ACCOUNT}-{REGION}-an/restores/r/jobs/j/job.json",
        f"arn:aws:s3:::{contract.staging_bucket(of_other, 3, ACCOUNT, REGION)}",
        f"arn:aws:iam::{ACCOUNT}:role/{of_other}-target-{REGION}",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{of_other}-PlanRestore",
        f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{of_other}:x",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{of_other}/target",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:document/{of_other}-run-job",
    ]
    everybodys = {"*", f"arn:aws:iam::{ACCOUNT}:role/*"}

    patterns = {text for template in one for statement in statements(template) for text in listed(statement["Resource"])} - everybodys
    reached = {arn for arn in arns for pattern in patterns if fnmatchcase(arn, pattern)}
    own = {text for template in other for statement in statements(template) for text in listed(statement["Resource"])}

    assert not reached
    assert {arn for arn in arns if any(fnmatchcase(arn, pattern) for pattern in own - everybodys)} == set(arns)


def test_what_bears_the_others_tag_is_not_changed(target: Template, stacks: tuple[Template, Template]) -> None:
    for template, prefix in ((target, "dbrestore"), (stacks[1], "second")):
        ours = f"{ACCOUNT}/{REGION}/{prefix}"
        assert contract.installation(f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{prefix}:x") == ours
        for action in CHANGING:
            asked = [one for one in statements(template) if action in listed(one["Action"]) and "document" not in str(one["Resource"])]
            assert asked, action
            for statement in asked:
                [value] = {
                    value
                    for key, value in statement["Condition"]["StringEqualsIfExists"].items()
                    if key.endswith(f"Tag/{contract.INSTALLATION}")
                }
                assert value == ours, action


def test_what_is_made_bears_the_own_tag() -> None:
    assert f"aws:RequestTag/{contract.INSTALLATION}" in permissions.ASKED_WITH_OUR_TAG["StringEquals"]


def test_each_has_a_standing_group_of_its_own(target: Template, stacks: tuple[Template, Template]) -> None:
    for template, prefix in ((target, "dbrestore"), (stacks[1], "second")):
        [group] = template.of_type("AWS::EC2::SecurityGroup").values()
        assert group["Tags"] == [{"Key": contract.STANDING, "Value": contract.standing(prefix)}]


@pytest.mark.parametrize("wrong", ["db", "Restore", "two-words", "1st", "a" * 13])
def test_a_prefix_that_would_make_names_too_long_or_ambiguous_is_refused(wrong: str) -> None:
    from infrastructure.settings import read

    with pytest.raises(ValueError, match=r"prefix: .* can't be used: write 3 to 12 lower-case letters and digits"):
        read({"externalId": "of-ours", "prefix": wrong}.get)
