"""`dbrestore points adoptions`: the rules and what has come of them, as a person and as a program see them."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest

from dbrestore.cli import control, main
from dbrestore.cli.adding import adoptions
from dbrestore.contract.exit_code import ExitCode
from tests.statemachine.arrivals import NATIVE, Arrivals, arrivals
from tests.statemachine.conftest import world
from tests.statemachine.world import ACCOUNT, MACHINE_ARN, REGION
from tests.unit.points.sqlserver.backups import Written, backup

__all__ = ["arrivals", "world"]


@pytest.fixture
def installed(arrivals: Arrivals, tmp_path: Path) -> Arrivals:
    name = adoptions.FUNCTION
    parts = {
        "stateMachineArn": MACHINE_ARN,
        "ledgerTable": "ledger",
        "repositoryBucket": "repository",
        "evidenceBucket": "evidence",
        "functions": {name: f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"},
    }
    boto3.client("ssm").put_parameter(Name=control.Account().signpost, Value=json.dumps(parts), Type="String")
    arrivals.world.patch.setenv("COLUMNS", "250")
    arrivals.put("native/a.bak", backup(Written()))
    arrivals.put("native/b\n.bak", b"PAR1" + bytes(9000))
    arrivals.settle()
    arrivals.put("native/c.bak", backup(Written(database="crm", stripes=2, set_id=UUID(int=7), media=UUID(int=8))))
    arrivals.settle()
    return arrivals


def test_a_person_sees_what_was_made_what_waits_and_what_was_refused(installed: Arrivals, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "adoptions", "native"]) == ExitCode.DONE

    out = capsys.readouterr().out
    [point] = installed.points("crm-mssql")
    assert out.startswith("native: s3://team-backups/native/** becomes restore points of crm-mssql; looked at ")
    assert f"{point.point_id}" in out
    assert "Not adopted: s3://team-backups/native/b\\x0a.bak: NotANativeBackup: is a Parquet file" in out
    assert "Waits: s3://team-backups/native/c.bak: " in out


def test_programs_get_a_line_for_each(installed: Arrivals, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "adoptions", "native", "--json"]) == ExitCode.DONE

    lines: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["rule", "adopted", "waiting", "notAdopted", "summary"]
    assert (lines[0]["pattern"], lines[1]["state"], lines[3]["again"]) == (NATIVE["pattern"], "MADE", False)


def test_a_rule_that_isnt_there_is_refused_with_those_that_are(installed: Arrivals, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["points", "adoptions", "nativ"]) == ExitCode.USAGE

    assert "there is no rule nativ: the installation has dumps, native" in capsys.readouterr().err
