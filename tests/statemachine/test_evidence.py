"""The evidence that a restore leaves: written with the real definition, compared from its files alone."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import jinja2
import pytest
from moto.s3.exceptions import InvalidRequest
from moto.s3.models import S3Backend

from dbrestore.contract import keys, names
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.errors import BackupDamaged
from dbrestore.contract.evidence import Evidence
from dbrestore.contract.job import ErrorNote
from dbrestore.evidence import page as page_of
from dbrestore.ledger import restore_list
from dbrestore.ledger.restore_list import ListedRestore
from tests.statemachine.conftest import installed
from tests.statemachine.engines import INSTANCE
from tests.statemachine.test_drills import declare, declared, scheduled, start  # noqa: F401 - a fixture is found by its name
from tests.statemachine.world import World, execution_arn
from tests.unit.evidence import made

VERIFY = Path(__file__).parents[2] / "docs" / "verify_evidence.py"


def folder_of(tmp_path: Path, name: str = "restore-1") -> Path:
    """A copy of what the restore left in the evidence bucket."""
    prefix = keys.restore_prefix(names.restore_id(execution_arn(name)))
    for item in boto3.client("s3").list_objects_v2(Bucket="evidence", Prefix=prefix)["Contents"]:
        path = tmp_path / item["Key"].removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(boto3.client("s3").get_object(Bucket="evidence", Key=item["Key"])["Body"].read())
    return tmp_path


def evidence_in(folder: Path) -> Evidence:
    return Evidence.from_json((folder / "evidence.json").read_bytes())


def verified(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(VERIFY), str(folder), *more], capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Left:
    """What a restore left: what its execution told of the report, the report, its row in the list, and a copy of its folder."""

    told: dict[str, Any]
    report: dict[str, Any]
    row: ListedRestore
    folder: Path


@pytest.fixture(scope="module")
def left_once(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """One restore for all tests that only read what it left."""
    with pytest.MonkeyPatch.context() as patch, installed(patch) as world:
        ended = world.run()
        assert ended["status"] == "SUCCEEDED"
        (row,) = [restore_list.read(item) for item in world.ledger().table.query(restore_list.RESTORES)]
        told = json.loads(ended["output"])["report"]
        return Left(told, world.report(), row, folder_of(tmp_path_factory.mktemp("left")))


@pytest.fixture
def left(left_once: Left, tmp_path: Path) -> Left:
    """The same with a copy of the folder that is this test's own."""
    return replace(left_once, folder=shutil.copytree(left_once.folder, tmp_path / "left"))


def test_a_restore_leaves_evidence_whose_digests_agree(left: Left) -> None:
    told, folder = left.told, left.folder

    listed = (folder / "manifest.sha256").read_text()
    assert told["manifestSha256"] == hashlib.sha256(listed.encode()).hexdigest()
    assert told["page"].endswith("/report.html")
    assert told["trouble"] is None
    covered = {line.split("  ")[1] for line in listed.splitlines()}
    assert {"plan.json", "report.json", "evidence.json", "report.html", "jobs/replay/job.json", "jobs/verify/result.json"} <= covered
    assert (
        subprocess.run(["sha256sum", "--check", "--strict", "manifest.sha256"], cwd=folder, capture_output=True, check=False).returncode
        == 0
    )
    assert verified(folder, told["manifestSha256"]).returncode == 0, verified(folder).stdout


@pytest.mark.parametrize("name", ["jobs/verify/result.json", "report.json", "evidence.json", "report.html", "plan.json"])
def test_a_document_that_was_changed_is_found_from_the_files_alone(left: Left, name: str) -> None:
    path = left.folder / name
    path.write_bytes(path.read_bytes() + b" ")

    told = verified(left.folder)

    assert told.returncode == 1
    assert f"{name}: " in told.stdout


def test_digests_that_were_made_anew_are_found_by_the_one_that_the_execution_told(left: Left) -> None:
    folder = left.folder
    (folder / "report.html").write_bytes((folder / "report.html").read_bytes().replace(b"PASS", b"GOOD"))
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in (line.split("  ")[1] for line in (folder / "manifest.sha256").read_text().splitlines())
    ]
    (folder / "manifest.sha256").write_text("\n".join(lines) + "\n")

    assert verified(folder).returncode == 0
    assert verified(folder, left.told["manifestSha256"]).returncode == 1


def test_the_evidence_names_the_files_of_the_restore_point_and_the_manifest_as_planned(left: Left) -> None:
    point = evidence_in(left.folder).point

    assert point.manifest_state == "as planned"
    assert point.manifest_sha256 == left.report["source"]["manifestSha256"]
    assert [file.name for file in point.files]
    assert all(len(file.sha256) == 64 for file in point.files)


def test_a_restore_that_failed_leaves_evidence_too(world: World, tmp_path: Path) -> None:
    world.worker.failing["REPLAYED orders"] = ErrorNote.of(BackupDamaged("the member 7 ends too early"))

    ended = world.run()
    found = evidence_in(folder_of(tmp_path))

    assert ended["status"] == "FAILED"
    assert found.verdict.outcome == "FAIL"
    assert "BackupDamaged" in found.verdict.sentence
    assert not any(database.proven for database in found.databases)
    assert verified(tmp_path).returncode == 0


def test_a_page_that_cannot_be_made_fails_no_restore_and_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: Any, **__: Any) -> None:
        raise FileNotFoundError("report.html")

    monkeypatch.setattr(jinja2.Environment, "get_template", lost)

    ended = world.run()

    told = json.loads(ended["output"])["report"]
    assert ended["status"] == "SUCCEEDED"
    assert "the page was not made: FileNotFoundError" in told["trouble"]
    assert told["page"] is None
    assert told["manifestSha256"]
    assert world.meta().status == "CLOSED"


def test_evidence_that_cannot_be_written_fails_no_restore_and_says_why(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put = S3Backend.put_object

    def full(backend: S3Backend, bucket: str, key_name: str, *arguments: Any, **keywords: Any) -> Any:
        if key_name.endswith("/evidence.json"):
            raise InvalidRequest("PutObject")
        return put(backend, bucket, key_name, *arguments, **keywords)

    monkeypatch.setattr(S3Backend, "put_object", full)

    ended = world.run()

    assert ended["status"] == "SUCCEEDED"
    assert "the evidence was not written: " in json.loads(ended["output"])["report"]["trouble"]
    assert world.meta().status == "CLOSED"


def test_evidence_is_written_when_the_restore_is_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that runs out of memory or time ends without a word, and the state's retry then finds the restore closed."""
    statuses = []
    put = S3Backend.put_object

    def noting(backend: S3Backend, bucket: str, key_name: str, *arguments: Any, **keywords: Any) -> Any:
        if key_name.endswith(("/evidence.json", "/report.html", "/manifest.sha256")):
            statuses.append(world.meta().status)
        return put(backend, bucket, key_name, *arguments, **keywords)

    monkeypatch.setattr(S3Backend, "put_object", noting)

    world.run()

    assert set(statuses) == {"CLOSED"}


def test_the_list_of_restores_says_what_was_proven(left: Left) -> None:
    row = left.row

    assert row.unread == ()
    assert row.proof is not None
    assert row.proof.source == INSTANCE
    assert row.proof.outcome == "PASS"
    assert [one.proven for one in row.proof.databases] == [True] * len(row.databases)


def test_a_drill_that_passed_leaves_evidence_of_its_copy_and_its_objectives(world: World, declare: Any, tmp_path: Path) -> None:  # noqa: F811
    declare(declared(objectives={"recoveryMinutes": 60, "pointHours": 24 * 365 * 100}))

    ended = world.run(scheduled())
    found = evidence_in(folder_of(tmp_path))

    assert ended["status"] == "SUCCEEDED"
    assert (found.mode, found.verdict.outcome) == ("drill", "PASS")
    assert found.drill is not None
    assert (found.drill.copies, [one.met for one in found.drill.objectives]) == ("SUCCESSFUL", [True, True])
    assert found.recovery.recovery_seconds == found.drill.recovery_seconds
    assert (found.segregation.instance, found.segregation.told[0][:14]) == ("same", "Not segregated")
    assert verified(tmp_path).returncode == 0


def test_a_drill_that_missed_its_objective_fails_and_is_told_in_the_list(world: World, declare: Any, tmp_path: Path) -> None:  # noqa: F811
    declare(declared(objectives={"pointHours": 0.001}))

    world.run(scheduled())
    found = evidence_in(folder_of(tmp_path))
    (row,) = [restore_list.read(item) for item in world.ledger().table.query(restore_list.RESTORES)]

    assert found.verdict.outcome == "FAIL"
    assert found.verdict.sentence.startswith("The drill failed: ")
    assert row.proof is not None
    assert (row.proof.outcome, row.proof.drill, row.proof.databases[0].proven) == ("FAIL", "weekly", True)


def test_a_damaged_drill_says_that_it_was_damaged_on_purpose(world: World, declare: Any, tmp_path: Path) -> None:  # noqa: F811
    declare(declared())
    world.worker.failing["REPLAYED"] = ErrorNote.of(BackupDamaged("one bit differs"))

    world.run(start(withDamage=True))
    found = evidence_in(folder_of(tmp_path))

    assert found.damage
    assert "was damaged on purpose" in (tmp_path / "report.html").read_text()


def test_copies_that_stay_are_told_with_the_time_until_they_do(world: World, declare: Any, tmp_path: Path) -> None:  # noqa: F811
    declare(declared(keepHours=2))

    world.run(scheduled())
    kept = evidence_in(folder_of(tmp_path / "kept"))
    world.clock.let_pass(hours=3)
    world.sweep()
    gone = evidence_in(folder_of(tmp_path / "gone"))

    assert kept.drill is not None and gone.drill is not None  # noqa: PT018
    assert (kept.verdict.outcome, kept.drill.copies) == ("PASS", "DELETING")
    assert "everything temporary is gone but the copies, which stay until" in kept.verdict.sentence
    assert (gone.verdict.outcome, gone.drill.copies) == ("PASS", "SUCCESSFUL")
    assert verified(tmp_path / "gone").returncode == 0


def test_a_drill_that_was_skipped_leaves_a_page_that_says_so(world: World, declare: Any, tmp_path: Path) -> None:  # noqa: F811
    question = "SELECT count(*) FROM orders"
    declare(declared(checks=[{"name": "there are orders", "sql": question, "expect": {"min": 1}}]))

    def meanwhile() -> None:
        world.before.clear()
        world.run(scheduled("2027-01-10T02:00:00Z"), "drill-2")

    world.before["VerifyDatabases"] = meanwhile
    world.run(scheduled(), "drill-1")

    found = evidence_in(folder_of(tmp_path, "drill-2"))
    assert found.verdict.sentence == "Nothing was proven: the drill was skipped, because the one before it was still running."
    assert found.drill is not None
    assert (found.status, found.drill.verdict, found.point, found.databases) == ("FAILED", "SKIPPED", None, ())
    assert found.asked.scheduled_time == datetime(2027, 1, 10, 2, tzinfo=UTC)
    assert found.declared is not None
    assert found.declared.questions[0].sql == question
    page = (tmp_path / "report.html").read_text()
    assert world.ledger("drill-1").restore_id in page, "which one still ran"
    assert question in page
    assert verified(tmp_path).returncode == 0, verified(tmp_path).stdout
    proofs = {one.proof.why for one in map(restore_list.read, world.ledger().table.query(restore_list.RESTORES)) if one.proof}
    assert found.verdict.sentence in proofs, "coverage says the same"


def test_a_drill_that_could_not_begin_leaves_a_page_that_says_why(world: World, declare: Any, tmp_path: Path) -> None:  # noqa: F811
    declare(declared(databases=["nothing_of_the_kind"]))

    assert world.run(scheduled())["error"] == "DatabaseNotInRestorePoint"

    found = evidence_in(folder_of(tmp_path))
    assert found.verdict.sentence.startswith("Nothing was proven: the drill could not begin (DatabaseNotInRestorePoint): ")
    assert found.error is not None
    assert "nothing_of_the_kind" in (tmp_path / "report.html").read_text()
    assert verified(tmp_path).returncode == 0, verified(tmp_path).stdout


def test_a_request_that_is_refused_is_no_drill_and_leaves_no_page(world: World) -> None:
    world.run(world.engine.request("nothing_of_the_kind"))

    prefix = keys.restore_prefix(names.restore_id(execution_arn("restore-1")))
    assert boto3.client("s3").list_objects_v2(Bucket="evidence", Prefix=prefix)["KeyCount"] == 0


@pytest.mark.parametrize("name", ["evidence.json", "report.html", "manifest.sha256"])
def test_a_refusal_is_told_though_its_evidence_can_not_be_written(
    world: World,
    declare: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    declare(declared(databases=["nothing_of_the_kind"]))
    put = S3Backend.put_object

    def full(backend: S3Backend, bucket: str, key_name: str, *arguments: Any, **keywords: Any) -> Any:
        if key_name.endswith(f"/{name}"):
            raise InvalidRequest("PutObject")
        return put(backend, bucket, key_name, *arguments, **keywords)

    monkeypatch.setattr(S3Backend, "put_object", full)

    assert world.run(scheduled())["error"] == "DatabaseNotInRestorePoint"

    assert [event["detail-type"] for event in world.events()] == ["Drill Completed"]
    assert '"EvidenceFailures": [1.0]' in capsys.readouterr().err


QUESTIONS = [
    {"name": "markup", "database": "orders", "sql": "SELECT '<script>' AS \"a&b\"\nFROM t", "expect": "<b>"},
    {"name": "of the other", "database": "crm", "sql": "SELECT count(*) FROM of_crm_alone", "expect": {"min": 1}},
]


def test_the_evidence_says_what_was_asked_in_sql(world: World, tmp_path: Path) -> None:
    world.worker.answers["orders"] = (CheckAnswer(name="markup", expected="<b>", status="ok", sha256="ab" * 32),)
    world.run({**world.engine.request("orders", "crm"), "checks": QUESTIONS})

    found = {one.name: one for one in evidence_in(folder_of(tmp_path)).databases}

    assert [(one.name, one.sql, one.expected) for one in found["orders"].questions] == [("markup", QUESTIONS[0]["sql"], "<b>")]
    assert [(one.name, one.sql, one.expected) for one in found["crm"].questions] == [("of the other", QUESTIONS[1]["sql"], "at least 1")]
    page = (tmp_path / "report.html").read_text()
    assert "<pre>SELECT &#39;&lt;script&gt;&#39; AS &#34;a&amp;b&#34;\nFROM t</pre>" in page
    assert "<script>" not in page
    assert page.count("none: it was never put") == 1, "that of the other"


def test_what_was_never_asked_is_in_the_evidence_of_a_restore_that_failed_before(world: World, tmp_path: Path) -> None:
    world.worker.failing["REPLAYED orders"] = ErrorNote.of(BackupDamaged("the member 7 ends too early"))
    world.run({**world.engine.request("orders"), "checks": QUESTIONS[:1]})

    (database,) = evidence_in(folder_of(tmp_path)).databases

    assert (database.answers, [one.name for one in database.questions]) == ((), ["markup"])
    assert "none: it was never put" in (tmp_path / "report.html").read_text()


def test_without_a_plan_the_answers_stand_without_their_questions() -> None:
    answered = made.verified("orders", answers=(CheckAnswer(name="one", expected="1", status="ok", sha256="ab" * 32),))

    text = page_of.of_restore(made.evidence(made.report(), made.result(answered))).decode()

    assert "not known: no plan could be read" in text
