"""The TargetStack as plain CloudFormation: what StackSets roll out, with the program that its workers fetch from the control account."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from .conftest import PSEUDO_PARAMETERS, REGION, ROOT, Template

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

# Characters and bytes (CloudFormation User Guide, "CloudFormation quotas"; IAM User Guide, "IAM and AWS STS quotas").
LARGEST_INLINE_TEMPLATE = 51_200
LARGEST_POLICIES_OF_A_ROLE = 10_240
CONTROL = {"ControlAccount": "999999999999", "ControlRegion": "eu-west-1"}
LONGEST = {f"VpcId{n}": "vpc-" + "0" * 17 for n in ("", 2, 3, 4)}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make target-template` writes, where there is neither Node nor Docker nor an AWS account."""
    folder = tmp_path_factory.mktemp("build")
    environment = {"PATH": "/nowhere", "HOME": str(Path("~").expanduser()), "DBRESTORE_BUILD": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, ROOT / "app.py", "target-template"],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == str(folder / "dbrestore-target.template.json")
    return folder


@pytest.fixture(scope="module")
def content(build: Path) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((build / "dbrestore-target.template.json").read_text())
    return template


def test_it_needs_no_bootstrap_no_transform_no_other_file_and_fits_inline(build: Path, content: dict[str, Any]) -> None:
    size = (build / "dbrestore-target.template.json").stat().st_size

    assert set(content) == {"Description", "Parameters", "Conditions", "Resources", "Outputs"}
    assert "cdk-" not in json.dumps(content)
    assert {kind["Type"] for kind in content["Resources"].values()} == {
        "AWS::IAM::Role",
        "AWS::IAM::InstanceProfile",
        "AWS::EC2::SecurityGroup",
        "AWS::SSM::Document",
        "AWS::SSM::Parameter",
    }
    assert size <= LARGEST_INLINE_TEMPLATE


def test_only_the_vpc_has_to_be_given(content: dict[str, Any]) -> None:
    assert [name for name, parameter in content["Parameters"].items() if "Default" not in parameter] == ["VpcId"]


def test_it_makes_what_the_cdk_deploys_but_for_the_programs_place(content: dict[str, Any], target: Template) -> None:
    plain = Template(content, {"VpcId": "vpc-1"})

    for kind in ("AWS::IAM::InstanceProfile", "AWS::EC2::SecurityGroup", "AWS::SSM::Document"):
        assert plain.of_type(kind) == target.of_type(kind)
    assert _policies(plain) == _policies(target)
    assert _policies(plain).keys() == {f"dbrestore-target-{REGION}", f"dbrestore-worker-{REGION}"}


def _policies(template: Template) -> dict[str, str]:
    """Role name -> its policies as text, the program's place left out."""
    program = json.loads(template.only("AWS::SSM::Parameter")["Value"])["programUri"].removeprefix("s3://")
    roles = template.of_type("AWS::IAM::Role").values()
    return {role["RoleName"]: json.dumps(role).replace(program, "PROGRAM") for role in roles}


def test_the_program_lies_beside_it_under_its_own_digest(build: Path, content: dict[str, Any]) -> None:
    (program,) = (build / "programs").iterdir()

    digest = hashlib.sha256(program.read_bytes()).hexdigest()

    assert content["Parameters"]["ProgramKey"]["Default"] == f"programs/{digest}.zip" == f"programs/{program.name}"
    assert {"run", "dbrestore/worker/__main__.py"} <= set(zipfile.ZipFile(program).namelist())


def test_workers_are_told_to_fetch_it_from_the_control_accounts_evidence_and_may(content: dict[str, Any]) -> None:
    elsewhere = Template(content, {"VpcId": "vpc-1", **CONTROL})
    key = content["Parameters"]["ProgramKey"]["Default"]

    told = json.loads(elsewhere.only("AWS::SSM::Parameter")["Value"])["programUri"]
    (policy,) = elsewhere.only("AWS::IAM::Role", RoleName=f"dbrestore-worker-{REGION}")["Policies"]

    assert told == f"s3://dbrestore-evidence-999999999999-eu-west-1-an/{key}"
    read = [s["Resource"] for s in policy["PolicyDocument"]["Statement"] if s["Action"] == ["s3:GetObject"]]
    assert [told.replace("s3://", "arn:aws:s3:::")] == [r for resources in read for r in resources if "programs" in r]


def test_another_program_can_be_named_but_nothing_else_of_the_bucket(content: dict[str, Any]) -> None:
    pattern = content["Parameters"]["ProgramKey"]["AllowedPattern"]

    assert pattern == r"^programs/[0-9a-f]{64}\.zip$"


def test_stacks_of_several_regions_of_one_account_have_different_roles(content: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    here = _global_names(Template(content, {"VpcId": "vpc-1"}))

    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Region", "eu-west-3")
    there = _global_names(Template(content, {"VpcId": "vpc-1"}))

    assert len(here) == len(there) == 3
    assert not here & there


def _global_names(template: Template) -> set[tuple[str, str]]:
    """What IAM keeps once per account."""
    names = {("role", role["RoleName"]) for role in template.of_type("AWS::IAM::Role").values()}
    profiles = template.of_type("AWS::IAM::InstanceProfile").values()
    return names | {("profile", profile["InstanceProfileName"]) for profile in profiles}


def test_every_vpc_that_is_given_has_its_standing_group_and_may_get_workers(content: dict[str, Any]) -> None:
    two = Template(content, {"VpcId": "vpc-1", "VpcId3": "vpc-3"})

    groups = [group["VpcId"] for group in two.of_type("AWS::EC2::SecurityGroup").values()]
    (policy,) = two.only("AWS::IAM::Role", RoleName=f"dbrestore-target-{REGION}")["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    launched = [s["Condition"]["ArnEquals"]["ec2:Vpc"] for s in statements if "ec2:Vpc" in _keys(s)]
    made = [s["Resource"] for s in statements if any(":vpc/" in r for r in s["Resource"])]

    vpcs = {f"arn:aws:ec2:{REGION}:*:vpc/vpc-{n}" for n in (1, 3)}
    assert sorted(groups) == ["vpc-1", "vpc-3"]
    assert len(launched) == 2
    assert all(set(allowed) == vpcs for allowed in (*launched, *made))
    assert len(made) == 1


def _keys(statement: dict[str, Any]) -> set[str]:
    return {key for tests in statement.get("Condition", {}).values() for key in tests}


def test_the_policies_have_room_for_the_longest_names(content: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PSEUDO_PARAMETERS, "AWS::Region", "ap-southeast-3")
    widest = Template(content, {**LONGEST, "ControlAccount": "999999999999", "ControlRegion": "ap-southeast-3"})

    for role in widest.of_type("AWS::IAM::Role").values():
        length = sum(len(json.dumps(p["PolicyDocument"], separators=(",", ":"))) for p in role["Policies"])
        assert length <= LARGEST_POLICIES_OF_A_ROLE, role["RoleName"]
