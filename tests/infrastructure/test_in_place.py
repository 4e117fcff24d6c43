"""Places that restores may read in place are rights of the roles that read, to versions, and of nobody else; what may only be copied is a
right of the function that copies."""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from dbrestore.contract import keys
from dbrestore.points.in_s3 import unfinished

from .conftest import REGION, ROOT, Template, synthesise, template_of

# One process synthesises each template once.
pytestmark = pytest.mark.xdist_group("templates")

EXAMPLE = ROOT / "examples" / "configuration" / "in_place.json"
FILES = {"arn:aws:s3:::example-nightly-dumps/orders/*", "arn:aws:s3:::example-native-backups/crm/*"}
KEY = "arn:aws:kms:eu-central-1:210987654321:key/0a1b2c3d-4e5f-6789-abcd-ef0123456789"
CONTROL = f"dbrestore-control-{{}}-{REGION}"
SEEING = {"s3:GetObjectVersion", "s3:ListBucket"}
READING = {*SEEING, "kms:Decrypt"}
COPYING = {*READING, "s3:GetObject"}
COPIED_ONLY = "example-nightly-dumps-of-another-region"
COPIER = CONTROL.format("CopyDumps")
EXPECTED = {
    CONTROL.format("PlanRestore"): READING,
    CONTROL.format("ExamineInstallation"): READING,
    CONTROL.format("StageNativeBackups"): READING,
    COPIER: COPYING,
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


def resources(template: Template, action: str, *but: str) -> set[str]:
    return {
        one
        for role in template.of_type("AWS::IAM::Role").values()
        if role["RoleName"] not in but
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
        assert resources(template, "s3:GetObjectVersion", COPIER) == FILES
        assert resources(template, "s3:GetObject", COPIER) == set()
        assert resources(template, "s3:DeleteObject") == resources(template, "s3:PutObject") == set()


def test_the_command_finds_where_it_may_refer_to(reading: tuple[Template, Template], control: Template) -> None:
    told = reading[0].only("AWS::SSM::Parameter", Name="/dbrestore/control")["Value"]

    assert f'"placesCopied":["s3://{COPIED_ONLY}/exports/"]' in told
    assert '"placesInPlace":["s3://example-nightly-dumps/orders/","s3://example-native-backups/crm/"]' in told
    assert "places" not in control.only("AWS::SSM::Parameter", Name="/dbrestore/control")["Value"]


def test_what_may_only_be_copied_nobody_reads_but_who_copies(reading: tuple[Template, Template]) -> None:
    readers = {
        role["RoleName"]
        for template in reading
        for role in template.of_type("AWS::IAM::Role").values()
        if COPIED_ONLY in str(role.get("Policies", []))
    }

    assert readers == {COPIER}
    copied = {*FILES, f"arn:aws:s3:::{COPIED_ONLY}/exports/*"}
    assert resources(reading[0], "s3:GetObject") == copied
    assert resources(reading[0], "s3:GetObjectVersion") == copied


def test_who_copies_can_write_files_and_notes_and_make_no_point_visible(reading: tuple[Template, Template]) -> None:
    [role] = [role for role in reading[0].of_type("AWS::IAM::Role").values() if role["RoleName"] == COPIER]
    statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
    written = {one for statement in statements if "s3:PutObject" in listed(statement["Action"]) for one in listed(statement["Resource"])}
    repository = next(one for one in written if one.endswith("/*/*/*/*")).removesuffix("/*/*/*/*")

    def may_write(key: str) -> bool:
        return any(fnmatchcase(f"{repository}/{key}", one) for one in written)

    assert may_write(f"{keys.database_prefix('orders/prod', '20261130T000000Z-00000000', 'a/b')}dump.pgdump")
    assert may_write(unfinished.key("orders-prod", "20261130T000000Z-00000000"))
    assert not may_write(keys.manifest_key("orders-prod", "20261130T000000Z-00000000"))
    assert not any("Delete" in action for statement in statements for action in listed(statement["Action"]) if "s3" in action)
