"""The examination: a healthy installation has no problem, and what can't be reached is said to be so.

What each harm looks like stands in tests.unit.lambdas.doctor.test_harms.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.sts.responses import TokenResponse

from dbrestore.contract.questions.examination import ExaminationQuestion, Finding
from lambdas.doctor import access as doctor_access
from lambdas.doctor import control as doctor_control
from lambdas.doctor import examine_installation as doctor
from lambdas.doctor import instance as doctor_instance
from lambdas.doctor import permissions as doctor_permissions
from lambdas.doctor import sqlserver as doctor_native
from lambdas.doctor import storage as doctor_storage
from lambdas.doctor import target as doctor_target
from lambdas.doctor.findings import judge
from lambdas.doctor.sides import ControlSide, InstanceSide, TargetSide
from lambdas.runtime.state import Surroundings
from localcloud.iam import role_trust
from tests.statemachine.engines import AURORA, INSTANCE, SQL_SERVER, SQLSERVER, Engine, of_both_clusters
from tests.statemachine.world import ACCOUNT, ENVIRONMENT, REGION, World
from tests.unit.lambdas.doctor.examined_installation import Installation, statements, trust

ROLE = f"dbrestore-target-{REGION}"


@pytest.fixture
def installation(world: World, tmp_path: Path) -> Installation:
    return Installation(world, tmp_path).build()


def told(findings: list[Finding], state: str) -> list[tuple[str, str]]:
    return [(finding.check, finding.sentence) for finding in findings if finding.state == state]


# Quotas that moto has not got, and a date that it does not tell.
NOT_IN_MOTO = {"quotas", "server-certificate"}


def test_a_healthy_installation_has_nothing_to_fix(installation: Installation) -> None:
    findings = installation.examine(INSTANCE)

    assert told(findings, "problem") == []
    assert told(findings, "warning") == []
    assert {check for check, _ in told(findings, "not checked")} == NOT_IN_MOTO
    assert not [finding for finding in findings if finding.state == "ok" and finding.fix]


def test_a_healthy_instance_of_sql_server_has_nothing_to_fix(installation: Installation) -> None:
    installation.world.use(SQLSERVER)

    findings = installation.examine(SQL_SERVER)

    assert told(findings, "problem") == []
    assert told(findings, "warning") == []
    assert {finding.check for finding in findings if finding.state == "ok"} >= {"native-option", "native-role", "plan"}


def test_without_a_target_the_control_account_alone_is_looked_at(installation: Installation) -> None:
    findings = installation.examine()

    assert {finding.check for finding in findings} == {check.name for check in doctor.OF_CONTROL}
    assert told(findings, "problem") == []


def test_with_a_region_alone_the_targets_half_is_looked_at_and_no_instance(installation: Installation) -> None:
    findings = installation.examine(region=REGION)

    checks = {check.name for check in doctor.OF_CONTROL} | {check.name for check in doctor.OF_TARGET} | {"target-role"}
    assert {finding.check for finding in findings} == checks


def test_an_instance_that_is_not_there_is_told_with_near_names_and_nothing_of_it_is_looked_at(
    installation: Installation,
) -> None:
    findings = installation.examine("orders-prd")

    [(check, sentence)] = told(findings, "problem")
    assert (check, f"did you mean {INSTANCE}?" in sentence) == ("instance", True)
    skipped = [finding for finding in findings if finding.check in {check.name for check in doctor.OF_INSTANCE}]
    assert {finding.sentence for finding in skipped} == {"the instance was not found"}


def test_one_cause_is_told_once_and_the_others_point_to_it(installation: Installation) -> None:
    boto3.client("ssm").delete_parameter(Name="/dbrestore/target")

    findings = installation.examine(INSTANCE, expected={})

    [(check, sentence)] = told(findings, "problem")
    assert (check, sentence.partition(":")[0]) == (
        "target-offer",
        f"the SSM parameter {'/dbrestore/target'} does not exist",
    )
    pointing = {check for check, said in told(findings, "not checked") if said == "stopped by what target-offer found"}
    assert {"instance-profile", "job-document", "worker-program", "worker-place", "plan"} <= pointing
    # Nor does anybody guess of which version the rest should be.
    assert {"code", "definition"} <= {check for check, _ in told(findings, "not checked")}


def test_a_command_without_fingerprints_gets_no_difference_but_the_reason(installation: Installation) -> None:
    installation.expect(code=None, definition=None, why_unknown="the asking command lost its fingerprints")

    findings = installation.examine(INSTANCE)

    assert told(findings, "problem") == []
    unknown = {check: said for check, said in told(findings, "not checked") if check not in NOT_IN_MOTO}
    assert unknown == {
        "code": "can't be compared: the asking command lost its fingerprints",
        "definition": "exists; can't be compared: the asking command lost its fingerprints",
    }
    assert {f.fix for f in findings if f.check in unknown} == {doctor_control.ASK_WITH_FINGERPRINTS}


def test_what_only_a_command_of_another_version_misses_is_no_difference(installation: Installation) -> None:
    other = dict.fromkeys(("code", "definition", "document"), "0" * 64)
    installation.expect(version="9.9.9", **other)

    findings = installation.examine(INSTANCE)

    assert [check for check, _ in told(findings, "problem")] == ["code"]
    unknown = {f.check: f for f in findings if f.state == "not checked" and f.check not in NOT_IN_MOTO}
    assert set(unknown) == {"definition", "job-document"}
    assert all("of another version than the functions" in f.sentence for f in unknown.values())
    assert {f.fix for f in unknown.values()} == {doctor_control.USE_ONE_VERSION}


def test_a_question_of_a_newer_command_is_answered(installation: Installation) -> None:
    newer = {**installation.expected.to_state(), "definitionOfTheFuture": "f" * 64}

    findings = installation.examine(expected=newer, howLoud="very")

    assert told(findings, "problem") == []


def control_side(installation: Installation, **question: Any) -> ControlSide:
    asked = ExaminationQuestion.model_validate({"expected": installation.expected, **question})
    return ControlSide(asked, Surroundings(), "ExamineInstallation")


@pytest.fixture
def judged(installation: Installation) -> None:
    """Roles are assumed only by whom they trust: the local cloud's judge, which this world is otherwise without."""
    original, patch = TokenResponse.assume_role, installation.world.patch
    patch.setattr(role_trust, "_is_judging", True)
    patch.setattr(TokenResponse, "assume_role", lambda response: role_trust._assume_role(original, response))


def trusting(external_id: str, functions: str) -> Callable[[], object]:
    condition = {"StringEquals": {"sts:ExternalId": external_id}, "ArnLike": {"aws:PrincipalArn": functions}}
    document = trust(condition, AWS=f"arn:aws:iam::{ACCOUNT}:root")
    return lambda: boto3.client("iam").update_assume_role_policy(RoleName=ROLE, PolicyDocument=document)


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(
    ("harm", "account", "fix"),
    [
        (lambda: boto3.client("iam").delete_role(RoleName=ROLE), ACCOUNT, "the role does not exist: deploy the TargetStack"),
        (trusting("another", "*"), ACCOUNT, "its external id is not the ControlStack's"),
        (
            trusting(ENVIRONMENT["EXTERNAL_ID"], "arn:aws:iam::210987654321:role/*"),
            ACCOUNT,
            f"it trusts other functions: deploy the TargetStack again with ControlAccount={ACCOUNT}",
        ),
        (lambda: None, "210987654321", f"in account 210987654321, see whether the role {ROLE} exists"),
    ],
    ids=["missing", "external id", "other functions", "another account"],
)
def test_why_the_target_role_refuses_is_told_apart_as_far_as_iam_lets_it(
    installation: Installation, harm: Callable[[], object], account: str, fix: str
) -> None:
    harm()

    [finding] = judge(doctor_target.ROLE, control_side(installation, account=account))

    assert finding.state == "problem"
    assert f"the role {ROLE} of account {account} can't be assumed" in finding.sentence
    assert fix in finding.fix


@pytest.mark.usefixtures("judged")
def test_a_role_that_can_not_be_assumed_leaves_the_rest_of_the_target_unseen(installation: Installation) -> None:
    findings = installation.examine(INSTANCE, account="210987654321")

    unseen = [f for f in findings if f.check in {check.name for check in doctor.OF_TARGET}]
    assert {(f.state, f.sentence) for f in unseen} == {("not checked", "the target's role can't be assumed")}
    assert [f.check for f in findings if f.state == "problem"] == ["target-role"]


def sql_server_without_option() -> None:
    boto3.client("rds").modify_option_group(OptionGroupName="native", OptionsToRemove=["SQLSERVER_BACKUP_RESTORE"], ApplyImmediately=True)


@pytest.mark.parametrize(
    ("harm", "check", "words", "fix"),
    [
        (sql_server_without_option, "native-option", "the option group native of orders-mssql lacks an option", "add the option"),
        (lambda: boto3.client("iam").delete_role(RoleName="rds-reads-backups"), "native-role", "does not exist", "aws iam create-role"),
        (
            lambda: boto3.client("iam").update_assume_role_policy(
                RoleName="rds-reads-backups", PolicyDocument=trust(Service="ec2.amazonaws.com")
            ),
            "native-role",
            "does not trust rds.amazonaws.com",
            "a trust in rds.amazonaws.com",
        ),
    ],
    ids=["no option", "no role", "no trust"],
)
def test_what_sql_server_can_not_restore_with_is_found(
    installation: Installation, harm: Callable[[], object], check: str, words: str, fix: str
) -> None:
    installation.world.use(SQLSERVER)
    harm()
    target = TargetSide(side := control_side(installation, dbInstance=SQL_SERVER), side.target)

    findings = [f for c in doctor_native.CHECKS for f in judge(c, InstanceSide(target, target.instance))]

    [found] = [finding for finding in findings if finding.state == "problem"]
    assert (found.check, words in found.sentence, fix in found.fix) == (check, True, True), found


def test_a_bucket_that_is_gone_is_found(installation: Installation) -> None:
    installation.world.patch.setenv("REPOSITORY_BUCKET", "gone")
    [check] = [one for one in doctor_storage.CHECKS if one.name == "buckets"]

    findings = judge(check, control_side(installation))

    assert [(f.looked_at, f.state) for f in findings] == [("gone", "problem"), ("evidence", "ok")]
    assert "back to its template" in findings[0].fix


def test_another_account_must_be_let_in_by_the_policies_of_the_buckets(installation: Installation) -> None:
    side = control_side(installation, account="210987654321")
    target = TargetSide(side, side.target)
    let_in = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::repository/*",
    }

    boto3.client("s3").put_bucket_policy(Bucket="repository", Policy=statements(let_in))
    findings = judge(doctor_access.LET_IN, target)

    assert [(f.looked_at, f.state) for f in findings] == [("repository", "ok"), ("evidence", "problem")]
    assert "deploy the ControlStack with 210987654321 among its targetAccounts" in findings[1].fix


def test_that_nothing_allows_a_launch_is_not_told_because_its_conditions_can_not_be_simulated(
    installation: Installation,
) -> None:
    installation.denied["ec2:RunInstances"] = {"EvalDecision": "implicitDeny"}
    side = control_side(installation)

    findings = judge(doctor_permissions.ROLE, TargetSide(side, side.target))

    assert {finding.state for finding in findings} == {"ok"}


def test_a_certificate_that_ends_soon_is_told(installation: Installation) -> None:
    target = TargetSide(side := control_side(installation, dbInstance=INSTANCE), side.target)
    [check] = [one for one in doctor_instance.CHECKS if one.name == "server-certificate"]
    ends = {-1: "problem", 10: "warning", 300: "ok"}

    for days, state in ends.items():
        told: Any = {**target.instance, "CertificateDetails": {"ValidTill": datetime.now(UTC) + timedelta(days=days)}}
        [finding] = judge(check, InstanceSide(target, told))
        assert finding.state == state


def test_a_permission_that_fails_when_rds_fills_in_a_key_is_found(installation: Installation) -> None:
    installation.denied["rds:ModifyDBInstance"] = {"EvalDecision": "implicitDeny"}
    installation.only_with["rds:ModifyDBInstance"] = "rds:ManageMasterUserPassword"

    [wrong] = [finding for finding in installation.examine(INSTANCE) if finding.state == "problem"]

    assert wrong.check == "instance-permissions"
    assert "may not call rds:ModifyDBInstance" in wrong.sentence


@of_both_clusters
def test_a_healthy_cluster_has_nothing_to_fix(installation: Installation, engine: Engine) -> None:
    installation.world.use(engine)

    findings = installation.examine(engine.instance)

    assert told(findings, "problem") == []
    assert told(findings, "warning") == []
    [present] = [finding for finding in findings if finding.check == "instance"]
    assert "a cluster in which" in present.sentence


def test_the_change_of_a_clusters_list_is_simulated_as_such(installation: Installation) -> None:
    installation.world.use(AURORA)
    installation.denied["rds:ModifyDBCluster"] = {"EvalDecision": "implicitDeny"}

    [wrong] = [finding for finding in installation.examine(AURORA.instance) if finding.check == "instance-permissions"][:1]

    assert wrong.state == "problem"
    assert f"may not call rds:ModifyDBCluster on arn:aws:rds:{REGION}:{ACCOUNT}:cluster:{AURORA.instance}" in wrong.sentence


def own_key() -> str:
    arn = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    boto3.client("ec2").modify_ebs_default_kms_key_id(KmsKeyId=arn)
    return str(arn)


def told_of_the_key(installation: Installation) -> list[tuple[str, str]]:
    return [(found.state, found.sentence) for found in installation.examine(INSTANCE) if found.check == "worker-volume-key"]


def test_amazons_own_key_of_volumes_needs_no_look(installation: Installation) -> None:
    [(state, sentence)] = told_of_the_key(installation)

    assert (state, sentence.split(";")[0]) == ("ok", "Amazon's own key")


def test_a_key_of_the_customers_own_is_looked_at_as_far_as_can_be(installation: Installation) -> None:
    key = own_key()

    assert [state for state, _ in told_of_the_key(installation)] == ["ok", "ok", "not checked"]

    installation.denied["kms:CreateGrant"] = {"EvalDecision": "implicitDeny"}
    assert ("problem", f"may not call kms:CreateGrant on {key}: nothing allows it") in told_of_the_key(installation)


def test_a_key_of_the_customers_own_that_can_not_be_used_is_found(installation: Installation) -> None:
    boto3.client("kms").disable_key(KeyId=own_key().rpartition("/")[2])

    assert told_of_the_key(installation) == [("problem", "is Disabled: a worker would be terminated while it starts")]
