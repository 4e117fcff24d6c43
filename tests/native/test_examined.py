"""`dbrestore doctor` on the local cloud: the real function under its own role looks at a deployment in two accounts that nobody touched,
and at one that somebody did. Every call that it makes is one that its roles are granted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dbrestore.cli import main
from tests.native.asked_elsewhere import ELSEWHERE, WHERE, cloud_elsewhere
from tests.native.whole_cloud import WholeCloud

# moto has no IAM simulation and one quota of two, and tells of no certificate.
NOT_IN_MOTO = {"role-permissions", "instance-permissions", "worker-permissions", "quotas", "server-certificate"}

pytestmark = [pytest.mark.xdist_group("examined"), pytest.mark.timeout(600), pytest.mark.slow]


@pytest.fixture(scope="module")
def whole() -> Iterator[WholeCloud]:
    with cloud_elsewhere() as made:
        yield made


@pytest.fixture
def doctor(whole: WholeCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `dbrestore doctor ...`: its exit code and its findings."""
    for name, value in whole.cloud.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = main.run(["doctor", *arguments, "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()][:-1]

    return run


def checks(findings: list[dict[str, Any]], state: str) -> dict[str, str]:
    return {finding["check"]: finding["sentence"] for finding in findings if finding["state"] == state}


def test_a_deployment_that_nobody_touched_has_nothing_to_fix(doctor: Any) -> None:
    code, findings = doctor("crm", *WHERE)

    assert checks(findings, "problem") == {}
    assert checks(findings, "warning") == {}
    assert set(checks(findings, "not checked")) == NOT_IN_MOTO
    assert code == 0
    assert {"native-role", "worker-place", "repository-access", "plan"} <= set(checks(findings, "ok"))


def test_an_account_whose_target_stack_has_another_external_id_is_found(whole: WholeCloud, doctor: Any) -> None:
    functions = whole.cloud.client("lambda")
    name = "dbrestore-ExamineInstallation"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    other = {**variables, "EXTERNAL_ID": "somebody-elses"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": other})

    code, findings = doctor("crm", *WHERE)

    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    assert code == 1
    assert f"of account {ELSEWHERE.account} can't be assumed" in checks(findings, "problem")["target-role"]
