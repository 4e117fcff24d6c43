"""Places that restores may read in place are rights of the roles that read, to versions, and of nobody else."""

from typing import Any

import pytest

from .conftest import REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

EXAMPLE = ROOT / "examples" / "configuration" / "in_place.json"
FILES = {"arn:aws:s3:::example-nightly-dumps/orders/*", "arn:aws:s3:::example-native-backups/crm/*"}
KEY = "arn:aws:kms:eu-central-1:210987654321:key/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
CONTROL = f"dbrestore-control-{{}}-{REGION}"
SEEING = {"s3:GetObjectVersion", "s3:ListBucket"}
READING = {*SEEING, "kms:Decrypt"}
EXPECTED = {
    CONTROL.format("PlanRestore"): READING,
    CONTROL.format("ExamineInstallation"): READING,
    CONTROL.format("StageNativeBackups"): READING,
    CONTROL.format("RequestRetrieval"): {*SEEING, "s3:RestoreObject"},
    CONTROL.format("RetrieveArchive"): SEEING,
    CONTROL.format("ReplayDumps"): SEEING,
    CONTROL.format("VerifyDatabases"): SEEING,
    f"dbrestore-target-{REGION}": {"s3:GetObjectVersion", "kms:Decrypt"},
    f"dbrestore-worker-{REGION}": {"s3:GetObjectVersion", "kms:Decrypt"},
}


@pytest.fixture(scope="session")
def reading(tmp_path_factory: pytest.TempPathFactory) -> tuple[Template, Template]:
    folder = synthesise(tmp_path_factory.mktemp("in-place") / "out", inPlaceConfiguration=str(EXAMPLE))
    return template_of(folder, "DbrestoreControl"), template_of(folder, "DbrestoreTarget")


def granted(template: Template) -> dict[str, set[str]]:
    """The actions that each role may do with what the example names."""
    found: dict[str, set[str]] = {}
    for role in template.of_type("AWS::IAM::Role").values():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if any("example-n" in one or one == KEY for one in listed(statement["Resource"])):
                    found.setdefault(role["RoleName"], set()).update(listed(statement["Action"]))
    return found


def resources(template: Template, action: str) -> set[str]:
    return {
        one
        for role in template.of_type("AWS::IAM::Role").values()
        for policy in role.get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
        if action in listed(statement["Action"])
        for one in listed(statement["Resource"])
        if "example-n" in one
    }


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def test_the_roles_that_read_get_it_and_nobody_else(reading: tuple[Template, Template]) -> None:
    assert {**granted(reading[0]), **granted(reading[1])} == EXPECTED


def test_it_is_versions_below_the_prefix(reading: tuple[Template, Template]) -> None:
    for template in reading:
        assert resources(template, "s3:GetObjectVersion") == FILES
        assert resources(template, "s3:GetObject") == set()
        assert resources(template, "s3:DeleteObject") == resources(template, "s3:PutObject") == set()


def test_the_command_finds_where_it_may_refer_to(reading: tuple[Template, Template], control: Template) -> None:
    told = reading[0].only("AWS::SSM::Parameter", Name="/dbrestore/control")["Value"]

    assert '"placesInPlace":["s3://example-nightly-dumps/orders/","s3://example-native-backups/crm/"]' in told
    assert "placesInPlace" not in control.only("AWS::SSM::Parameter", Name="/dbrestore/control")["Value"]
