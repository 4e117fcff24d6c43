"""What nobody acknowledged makes `make check` red; the scanners themselves run here, on small trees of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checks import __main__ as command
from checks import scanners
from checks.outcome import Outcome

ROOT = Path(__file__).parents[2]
QUERY = 'def ask(table):\n    return f"SELECT * FROM {table}"'


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "dbrestore").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("comment", "found", "acknowledged"),
    [("", 1, 0), ("  # noqa: S608", 1, 0), ("  # noqa: S608 - our own table", 0, 1), ("  # noqa: S310 - our own table", 1, 0)],
)
def test_bandit_wants_a_reason_for_the_same_rule(tree: Path, comment: str, found: int, acknowledged: int) -> None:
    (tree / "dbrestore" / "asking.py").write_text(f"{QUERY}{comment}\n")

    outcome = scanners.bandit(tree)

    assert (len(outcome.findings), outcome.acknowledged) == (found, acknowledged)
    assert all("B608" in finding and "asking.py:2" in finding for finding in outcome.findings)


@pytest.mark.parametrize(("value", "found"), [("not-a-secret", 0), ("k3Vq8-real", 1)])
def test_a_secret_in_a_file_that_git_knows_is_found(tree: Path, value: str, found: int) -> None:
    (tree / "dbrestore" / "settings.py").write_text(f'password = "{value}"\n')
    subprocess.run(["git", "init", "--quiet"], cwd=tree, check=True)
    subprocess.run(["git", "add", "--all"], cwd=tree, check=True)

    outcome = scanners.secrets(tree)

    assert [finding.split(":")[0] for finding in outcome.findings] == ["dbrestore/settings.py"] * found


def test_without_its_database_pip_audit_is_skipped_with_a_sentence(tree: Path) -> None:
    outcome = scanners.vulnerabilities(tree, "http://127.0.0.1:9/nothing")

    assert not outcome.findings
    assert str(outcome).startswith("pip-audit: not run: its database can't be reached (http://127.0.0.1:9/nothing: ")


@pytest.mark.parametrize(("findings", "code"), [((), 0), (("CKV_AWS_1 Bucket: it is open",), 1)])
def test_an_open_finding_is_the_exit_code(capsys: pytest.CaptureFixture[str], findings: tuple[str, ...], code: int) -> None:
    assert command.main([lambda root: Outcome("checkov", findings, 3)]) == code
    assert capsys.readouterr().out.splitlines() == [f"checkov: {len(findings)} open, 3 acknowledged", *(f"  {one}" for one in findings)]


EXAMINED = """
import app
app.prepare_node()
from infrastructure import acknowledged, control_stack
{change}
app.synthesise(examine=True)
"""


def examined(folder: Path, change: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", EXAMINED.format(change=change)]
    return subprocess.run(command, cwd=ROOT, env=into(folder), capture_output=True, text=True, check=False)


def into(folder: Path) -> dict[str, str]:
    """The variables of a synthesis. What the CDK itself says of templates is not asked here, and is half of the time."""
    return {"CDK_OUTDIR": str(folder), "CDK_VALIDATION": "false"}


def test_cdk_nag_fails_on_what_is_not_acknowledged(tmp_path: Path) -> None:
    done = examined(tmp_path, "control_stack.OF_FUNCTIONS.pop('L1')")

    assert done.returncode == 1
    assert "Acknowledge with 'AwsSolutions::AwsSolutions-L1'" in done.stderr + done.stdout


def test_a_wildcard_without_a_reason_is_not_synthesised(tmp_path: Path) -> None:
    done = examined(tmp_path, "del acknowledged.WILDCARDS['arn:{partition}:s3:::{repository}/*']")

    assert done.returncode == 1
    assert "KeyError: 'arn:{partition}:s3:::{repository}/*'" in done.stderr


def test_every_wildcard_with_a_reason_is_one_that_is_used() -> None:
    from infrastructure import permissions
    from infrastructure.acknowledged import WILDCARDS
    from infrastructure.functions import FUNCTIONS

    statements = [*permissions.WORKER, *(one for row in FUNCTIONS for one in (*row.own_statements, *row.target))]
    by_default = (permissions.REPOSITORY_KEYS, permissions.VOLUME_KEYS)
    assert set(WILDCARDS) == {text for one in statements for text in one.resources if "*" in text or text in by_default}


def test_what_checkov_is_told_to_skip_has_a_reason(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ROOT / "app.py"], env=into(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    resources: dict[str, Any] = json.loads((tmp_path / "DbrestoreControl.template.json").read_text())["Resources"]

    skips = [one for resource in resources.values() for one in resource.get("Metadata", {}).get("checkov", {}).get("skip", ())]

    assert skips
    assert all(len(one["comment"]) > 20 for one in skips)
