"""The examination: a healthy installation has no problem, and whatever breaks is found with its words and its mend."""

from pathlib import Path

import boto3
import pytest

from lambdas import doctor
from lambdas.doctor_findings import Finding
from lambdas.target_lookup import OFFER_PARAMETER
from tests.statemachine.engines import INSTANCE, SQL_SERVER, SQLSERVER
from tests.statemachine.world import REGION, World
from tests.unit.lambdas.examined_installation import Installation

ROLE = f"dbrestore-target-{REGION}"


@pytest.fixture
def installation(world: World, tmp_path: Path) -> Installation:
    return Installation(world, tmp_path).build()


def told(findings: list[Finding], state: str) -> list[tuple[str, str]]:
    return [(finding.check, finding.sentence) for finding in findings if finding.state == state]


# Quotas that moto has not got, and a date that it does not tell.
NOT_IN_MOTO = {"quotas", "server-certificate"}


def test_a_healthy_installation_has_nothing_to_mend(installation: Installation) -> None:
    findings = installation.examine(INSTANCE)

    assert told(findings, "problem") == []
    assert told(findings, "warning") == []
    assert {check for check, _ in told(findings, "not checked")} == NOT_IN_MOTO
    assert not [finding for finding in findings if finding.state == "ok" and finding.mend]


def test_a_healthy_instance_of_sql_server_has_nothing_to_mend(installation: Installation) -> None:
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
    boto3.client("ssm").delete_parameter(Name=OFFER_PARAMETER)

    findings = installation.examine(INSTANCE, expected={})

    [(check, sentence)] = told(findings, "problem")
    assert (check, sentence.partition(":")[0]) == (
        "target-offer",
        f"the SSM parameter {OFFER_PARAMETER} does not exist",
    )
    pointing = {check for check, said in told(findings, "not checked") if said == "stopped by what target-offer found"}
    assert {"instance-profile", "job-document", "worker-program", "subnets", "plan"} <= pointing
    # Nor does anybody guess of which version the rest should be.
    assert {"code", "definition"} <= {check for check, _ in told(findings, "not checked")}
