"""`dbrestore doctor` on the local cloud: the real function under its own role looks at a deployment in two accounts that nobody touched,
and at one that somebody did. Every call that it makes is one that its roles are granted."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import main
from localcloud import cloud as local
from localcloud.clients import Place
from tests.native.chains import FULL
from tests.native.granted_calls import not_granted
from tests.native.whole_cloud import WholeCloud
from tests.statemachine.plain_moto import know_images

ELSEWHERE = Place("222222222222", "eu-west-1")
WHERE = ["--account", ELSEWHERE.account, "--to-region", ELSEWHERE.region]
# moto has no IAM simulation and one quota of two, and tells of no certificate.
NOT_IN_MOTO = {"role-permissions", "instance-permissions", "worker-permissions", "quotas", "server-certificate"}

pytestmark = [pytest.mark.xdist_group("examined"), pytest.mark.timeout(600), pytest.mark.slow]


@pytest.fixture(scope="module")
def whole() -> Iterator[WholeCloud]:
    with tempfile.TemporaryDirectory(prefix="examined-") as folder:
        running = local.start(Path(folder, "cloud"), time_scale=100.0, schedules=False)
        try:
            know_images()
            made = WholeCloud(running, Path(folder), ELSEWHERE, ["crm"]).build()
            made.point("crm", [FULL])
            yield made
            assert not_granted(running.calls) == set()
        finally:
            running.stop()


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


def test_a_deployment_that_nobody_touched_has_nothing_to_mend(doctor: Any) -> None:
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
