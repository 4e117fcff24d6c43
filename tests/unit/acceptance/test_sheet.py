"""The sheet: what it says in short, and as a page."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acceptance import sheet_page
from acceptance.sheet import Call, Measurement, Outcome, Removal, Sheet, TrialResult

BEGAN = datetime(2026, 11, 29, 10, 0, tzinfo=UTC)


def trial(outcome: Outcome = "held", **more: Any) -> TrialResult:
    return TrialResult(**{"name": "pairing", "proves": "It holds.", "outcome": outcome, "told": "a|b\nc", "seconds": 2.0, **more})


def sheet(*trials: TrialResult, **more: Any) -> Sheet:
    values = {
        "run": "a000001",
        "version": "1.0",
        "place": "AWS",
        "region": "eu-central-1",
        "scale": "quick",
        "began_at": BEGAN,
        "ended_at": BEGAN + timedelta(hours=1),
        "trials": trials,
        "removal": Removal(made=3, left=()),
    }
    return Sheet(**{**values, **more})


@pytest.mark.parametrize(
    ("written", "holds"),
    [
        (sheet(trial(), trial("only on AWS"), trial("not tried")), True),
        (sheet(trial(), trial("did not hold")), False),
        (sheet(trial(), removal=Removal(made=3, left=("bucket x",))), False),
        (sheet(trial(), failure="by Ctrl-C"), False),
    ],
)
def test_it_holds_only_if_nothing_failed_and_nothing_is_left(written: Sheet, holds: bool) -> None:
    assert written.holds == holds


def test_the_page_has_the_trials_with_their_numbers_and_request_ids() -> None:
    call = Call(at=BEGAN, service="rds", operation="ModifyDBInstance", request_id="abc-1", error="AccessDenied")
    page = sheet_page.page(sheet(trial(calls=(call,), measurements=(Measurement(what="median", value=31.5, unit="s"),))))

    lines = page.splitlines()
    assert "dbrestore 1.0 on AWS, eu-central-1, 2026-11-29 10:00 UTC, 1.0 hours, quick: 1 held." in lines
    assert "| [pairing](#pairing) | held | a\\|b c |" in lines
    assert "- median: 31.5 s" in lines
    assert "| 10:00:00 | rds:ModifyDBInstance | AccessDenied | abc-1 |" in lines
    assert "All 3 things that were noted, and AWS shows nothing with the run's tag." in lines


def test_what_is_left_is_listed_and_what_was_kept_can_be_removed() -> None:
    left = sheet_page.page(sheet(removal=Removal(made=3, left=("bucket x: still there",)), failure="by Ctrl-C"))
    kept = sheet_page.page(sheet(removal=Removal(made=3, left=(), kept=True)))

    assert "- bucket x: still there" in left.splitlines()
    assert "The run was broken off: by Ctrl-C" in left
    assert "`python -m acceptance --remove a000001`" in kept
