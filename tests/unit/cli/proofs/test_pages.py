"""`dbrestore report --html` and `dbrestore drill coverage`: which page is written, and what it is made of."""

import json
import webbrowser
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from dbrestore.cli import main
from dbrestore.cli.control import Account, ControlPlane
from dbrestore.cli.proofs import coverage
from dbrestore.contract import keys
from dbrestore.contract.drills import Drill
from dbrestore.contract.evidence import ListedProof, ProvenDatabase
from dbrestore.contract.job import ErrorNote
from dbrestore.ledger import restore_list
from dbrestore.ledger.restore_list import ListedRestore
from tests.unit.cli.listed_restores import NOW, close, open_one, summary_key
from tests.unit.evidence import made


def ended(plane: ControlPlane, name: str = "orders", proof: ListedProof | None = None) -> str:
    """A restore that is over, with its report; its id."""
    plan = open_one(plane, name, age=1)
    written = made.report(
        (name,), restore_id=plan.restore_id, execution_arn=plan.execution_arn, results=(_result(plane, plan.restore_id, name),)
    )
    plane.storage.put_object(Bucket="evidence", Key=keys.report_key(plan.restore_id), Body=written.to_json())
    close(plane, plan)
    if proof:
        key = summary_key(plane, plan)
        began = NOW - timedelta(hours=1)
        assert restore_list.sort_key(began, plan.restore_id) == key
        restore_list.ended(plane.ledger, plan.restore_id, began, NOW, None, proof=proof)
    return plan.restore_id


def _result(plane: ControlPlane, restore_id: str, name: str) -> str:
    key = keys.job_prefix(restore_id, "verify") + "result.json"
    plane.storage.put_object(Bucket="evidence", Key=key, Body=made.result(made.verified(name)).to_json())
    return f"s3://evidence/{key}"


def store(plane: ControlPlane, restore_id: str, name: str, content: bytes) -> None:
    plane.storage.put_object(Bucket="evidence", Key=keys.restore_prefix(restore_id) + name, Body=content)


def test_the_stored_page_is_written_as_it_is(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id = ended(plane)
    store(plane, restore_id, "report.html", b"<p>as it was stored\xff")

    assert main.run(["report", restore_id, "--html", str(tmp_path / "page.html")]) == 0

    assert (tmp_path / "page.html").read_bytes() == b"<p>as it was stored\xff"
    assert capsys.readouterr().out.strip() == str(tmp_path / "page.html")


def test_without_a_stored_page_one_is_made_of_the_evidence(plane: ControlPlane, tmp_path: Path) -> None:
    restore_id = ended(plane)
    found = made.evidence(made.report(("orders",), restore_id=restore_id, reason="of the evidence"), made.result(made.verified("orders")))
    store(plane, restore_id, "evidence.json", found.to_json().encode())

    assert main.run(["report", restore_id, "--html", str(tmp_path / "page.html")]) == 0

    assert "of the evidence" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("evidence", [None, b"no JSON", b'{"schemaVersion": "9"}'])
def test_a_report_of_an_older_version_has_a_page_too(plane: ControlPlane, tmp_path: Path, evidence: bytes | None) -> None:
    restore_id = ended(plane)
    if evidence:
        store(plane, restore_id, "evidence.json", evidence)

    assert main.run(["report", restore_id, "--html", str(tmp_path / "page.html")]) == 0

    text = (tmp_path / "page.html").read_text()
    assert "The database orders came back from its backup" in text
    assert "no digests were taken at its time" in text


def test_a_page_is_opened_from_a_file_of_its_own(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    restore_id = ended(plane)

    assert main.run(["report", restore_id, "--open"]) == 0

    path = Path(capsys.readouterr().out.strip())
    assert shown == [path.as_uri()]
    assert path.name == f"{restore_id}.html"


def test_a_file_that_cannot_be_written_is_named(plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id = ended(plane)

    assert main.run(["report", restore_id, "--html", str(tmp_path / "no" / "page.html")]) == 2

    assert "No such file or directory: name a file in a folder that you can write to" in capsys.readouterr().err


REFUSED = made.refused(ErrorNote(name="DrillSkipped", message=made.SKIPPED))


def test_of_a_drill_that_was_skipped_the_stored_page_is_written(plane: ControlPlane, tmp_path: Path) -> None:
    """Its execution is unknown here: Step Functions forgets it after 90 days, and an auditor comes later."""
    store(plane, REFUSED.restore_id, "evidence.json", REFUSED.to_json().encode())
    store(plane, REFUSED.restore_id, "report.html", b"<p>as it was stored")

    assert main.run(["report", REFUSED.restore_id, "--html", str(tmp_path / "page.html")]) == 0

    assert (tmp_path / "page.html").read_bytes() == b"<p>as it was stored"


def test_of_a_drill_that_was_skipped_whose_page_could_not_be_made_one_is_made(plane: ControlPlane, tmp_path: Path) -> None:
    store(plane, REFUSED.restore_id, "evidence.json", REFUSED.to_json().encode())

    assert main.run(["report", REFUSED.restore_id, "--html", str(tmp_path / "page.html")]) == 0

    assert REFUSED.verdict.sentence in (tmp_path / "page.html").read_text()


def test_of_a_drill_that_was_skipped_the_report_says_why(plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    store(plane, REFUSED.restore_id, "evidence.json", REFUSED.to_json().encode())

    assert main.run(["report", REFUSED.restore_id]) == 0
    told = capsys.readouterr().out
    assert "drill orders-weekly of orders-prod into drills" in told
    assert "FAIL: Nothing was proven: the drill was skipped" in told
    assert f"DrillSkipped: {made.SKIPPED}" in told
    assert "meant for 2026-11-29 02:00:00 UTC, by arn:aws:scheduler:" in told

    assert main.run(["report", REFUSED.restore_id, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["type"], told["declared"]["name"], told["error"]["name"]) == ("refusal", "orders-weekly", "DrillSkipped")


@pytest.mark.parametrize("evidence", [None, b"no JSON"])
def test_without_a_report_and_evidence_there_is_nothing_to_tell(plane: ControlPlane, evidence: bytes | None) -> None:
    plan = open_one(plane, "orders")
    if evidence:
        store(plane, plan.restore_id, "evidence.json", evidence)

    assert main.run(["report", plan.restore_id]) == 10


def asked(account: Account, *arguments: str, drills: tuple[Drill, ...] = ()) -> int:
    """`coverage` as a command of an application of its own."""
    app = typer.Typer()
    app.callback()(lambda: None)
    coverage.add_to(app, lambda plane: drills)
    return int(typer.main.get_command(app).main(["coverage", *arguments], standalone_mode=False, obj=account) or 0)


PROOF = ListedProof(
    outcome="PASS",
    drill="weekly",
    source="shop",
    age_seconds=7200,
    recovery_seconds=300.5,
    databases=(ProvenDatabase(name="orders", proven=True, seconds=1.5),),
)


def test_coverage_is_told_from_the_list_of_restores(account: Account, plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id = ended(plane, proof=PROOF)

    assert asked(account, "--json") == 0

    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (database,) = told["databases"]
    assert (database["instance"], database["name"]) == ("shop", "orders")
    (trial,) = database["trials"]
    assert (trial["restoreId"], trial["by"], trial["ageSeconds"], trial["recoverySeconds"]) == (restore_id, "weekly", 7200, 300.5)
    assert told["unread"] == []


def test_a_restore_of_an_older_version_is_told_from_its_report(
    account: Account, plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(plane)

    assert asked(account, "--json") == 0

    (database,) = json.loads(capsys.readouterr().out)["databases"]
    assert (database["instance"], database["trials"][0]["proven"]) == ("orders-prod", True)


def test_what_cannot_be_looked_at_is_told(account: Account, plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    restore_id = ended(plane)
    plane.storage.put_object(Bucket="evidence", Key=keys.report_key(restore_id), Body=b"{}")
    plane.storage.put_object(Bucket="repository", Key=keys.manifest_key("shop", "20261128T000000Z-0000"), Body=b"{}")

    assert asked(account, "--json") == 0

    unread = json.loads(capsys.readouterr().out)["unread"]
    assert any(restore_id in sentence for sentence in unread)
    assert any("manifest.json" in sentence for sentence in unread)


def test_coverage_is_a_table_and_a_page(account: Account, plane: ControlPlane, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failed = PROOF.model_copy(
        update={"outcome": "FAIL", "why": "The drill failed: late", "databases": (ProvenDatabase(name="crm", proven=False),)}
    )
    ended(plane, "orders", PROOF)
    ended(plane, "crm", failed)

    assert asked(account) == 0
    table = capsys.readouterr().out
    assert asked(account, "--html", str(tmp_path / "page.html"), "--days", "7") == 0

    assert "1 of 2 databases was proven to restore; 1 was not." in table
    assert "The drill failed: late" in table
    assert "The drill failed: late" in (tmp_path / "page.html").read_text()


def test_what_ended_before_those_days_does_not_count(account: Account, plane: ControlPlane, capsys: pytest.CaptureFixture[str]) -> None:
    plan = open_one(plane, "old", age=24 * 8)
    close(plane, plan)

    assert asked(account, "--json", "--days", "7") == 0

    assert json.loads(capsys.readouterr().out)["restores"] == 0


def test_a_drill_that_was_refused_before_it_had_a_plan_stays_in_the_picture(
    account: Account, plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = Drill.model_validate(
        {
            "name": "weekly",
            "schedule": {"expression": "rate(7 days)", "timeZone": "UTC"},
            "source": {"dbInstance": "shop"},
            "target": {"dbInstance": "drills"},
        }
    )
    error = ErrorNote(name="RestorePointNotFound", message="the repository holds no restore point yet")
    row = ListedRestore(
        restore_id="r-1", mode="drill", started_at=NOW, ended_at=NOW, outcome="FAILED", error=error, reason="the drill weekly"
    )
    restore_list.refused_drill(plane.ledger, row, NOW)

    assert asked(account, "--json", drills=(declared,)) == 0

    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert (failure["proof"]["drill"], failure["proof"]["source"]) == ("weekly", "shop")
    assert failure["proof"]["why"] == "RestorePointNotFound: the repository holds no restore point yet"
