"""The verdict of a restore, and the sentence that it is told in."""

from typing import Any

import pytest

from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.evidence import Verdict
from dbrestore.contract.job import Check, ErrorNote, FixUp, LeftOut
from tests.unit.evidence import made
from tests.unit.evidence.made import evidence, report, result, verified

OK = Check(check="rows of a", expected="3", actual="3", result="ok")
WRONG = Check(check="rows of a", expected="3", actual="2", result="failed")
UNCHECKED = Check(check="content of a", expected="as in the dump", actual="no digests", result="not checked")
LEFT_OUT = LeftOut(entry="VIEW v", why="its type is unknown")


def judged(*databases: Any, **changes: Any) -> Verdict:
    return evidence(report([one.backup_name for one in databases], **changes), result(*databases)).verdict


def test_what_came_back_to_the_letter_passes() -> None:
    assert judged(verified("orders")) == Verdict(
        outcome="PASS",
        sentence="The database orders came back from its backup, passed every one of 3 checks, and everything temporary is gone.",
    )


def test_what_was_adapted_or_not_checked_is_an_exception() -> None:
    told = judged(verified("orders", checks=(OK, UNCHECKED), fix_ups=(FixUp(entry="ROLE r", what="another"),)), verified("crm"))

    assert told.outcome == "PASS WITH EXCEPTIONS"
    assert told.sentence == "All 2 databases came back from their backups and passed 4 checks, with these exceptions:"
    assert told.exceptions == ("1 entry of the backup was adapted to the target.", "1 check could not be made.")


def test_what_the_request_allowed_to_be_left_out_is_an_exception_although_the_run_is_red() -> None:
    error = ErrorNote(name="ObjectsLeftOut", message="orders: 1 objects")

    told = judged(verified("orders", left_out=(LEFT_OUT,)), status="FAILED", error=error)

    assert told.outcome == "PASS WITH EXCEPTIONS"
    assert told.exceptions == ("1 object of the backup was left out, as the request allows.",)


@pytest.mark.parametrize(
    ("database", "changes", "sentence"),
    [
        (verified("orders", checks=(OK, WRONG)), {}, "The backup was not proven to restore."),
        (
            verified("orders", answers=(CheckAnswer(name="n", expected="1", status="not checked"),)),
            {},
            "The backup was not proven to restore.",
        ),
        (
            verified("orders", status="FAILED"),
            {"status": "FAILED", "error": ErrorNote(name="BackupDamaged", message="member 7 ends too early\nmore")},
            "The backup was not proven to restore (BackupDamaged): member 7 ends too early",
        ),
        (
            verified("orders"),
            {"status": "FAILED", "error": ErrorNote(name="LeftoversRemain", message="x"), "leftovers": ("instance i-1",)},
            "The database orders came back from its backup, but the clean-up could not finish: 1 temporary thing may still exist.",
        ),
        (
            verified("orders"),
            {"status": "FAILED", "error": ErrorNote(name="RestoreCancelled", message="x")},
            "Nothing was proven: the restore was stopped before its end.",
        ),
        (verified("orders"), {"drill": made.DRILL}, "The drill failed: recoveryMinutes: 846 measured, 240 asked"),
    ],
    ids=["a failed check", "an own check that was not made", "damaged", "left behind", "stopped", "an objective missed"],
)
def test_what_was_not_proven_fails_and_says_why(database: Any, changes: dict[str, Any], sentence: str) -> None:
    assert judged(database, **changes) == Verdict(outcome="FAIL", sentence=sentence)


def test_one_of_several_that_failed_is_named() -> None:
    told = judged(
        verified("orders", checks=(WRONG,)), verified("crm"), status="FAILED", error=ErrorNote(name="SomeDatabasesFailed", message="x")
    )

    assert told == Verdict(outcome="FAIL", sentence="1 of 2 databases did not pass: orders.")


def test_a_green_report_without_the_worker_results_is_no_pass() -> None:
    assert evidence(report(("orders",))).verdict.outcome == "FAIL"
    assert evidence(report(())).verdict.outcome == "FAIL"


def test_a_name_of_ten_thousand_characters_leaves_the_sentence_one() -> None:
    assert len(judged(verified("x" * 10_000)).sentence) < 300


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("DrillSkipped", "Nothing was proven: the drill was skipped, because the one before it was still running."),
        ("RestorePointNotFound", "Nothing was proven: the drill could not begin (RestorePointNotFound): the repository is empty"),
    ],
)
def test_a_drill_that_could_not_begin_proves_nothing_and_says_why(error: str, sentence: str) -> None:
    told = made.refused(ErrorNote(name=error, message="the repository is empty\nand more")).verdict

    assert told == Verdict(outcome="FAIL", sentence=sentence)
