"""What `dbrestore report` shows of a finished restore."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from rich.console import Console

from dbrestore.cli.following import Ended
from dbrestore.cli.views import report as report_view
from dbrestore.contract.checks.asked import CheckAnswer
from dbrestore.contract.job import Check, DatabaseResult, FixUp, Result
from dbrestore.contract.record import Report

BEGAN = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)

ESTIMATE = {
    "seconds": 1200,
    "workerHours": 0.3,
    "dollars": 0.04,
    "pricesOf": "2026-06-18",
    "pricesIn": "us-east-1",
    "costs": [],
    "durations": [{"state": "DeployWorker", "seconds": 111.6, "basis": "assumed"}],
}


def resource(kind: str, state: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "role": "worker", "name": f"name of {kind}", "state": state, "intendedAt": BEGAN, **more}


def report(**changes: Any) -> Report:
    later = BEGAN + timedelta(seconds=9)
    values: dict[str, Any] = {
        "restoreId": "r-1",
        "executionArn": "arn",
        "status": "SUCCEEDED",
        "startedAt": BEGAN,
        "endedAt": BEGAN + timedelta(seconds=75),
        "target": {
            "account": "123456789012",
            "region": "eu-central-1",
            "dbInstance": "shop",
            "arn": "arn",
            "engine": "postgres",
            "engineVersion": "17.10",
            "host": "h",
            "port": 5432,
            "vpcId": "vpc-1",
            "availabilityZone": "a",
            "secretArn": "arn",
        },
        "source": {"dbInstance": "shop", "restorePoint": "p1", "manifest": "s3://b/m"},
        "databases": [{"name": "shop", "askedName": "copy", "status": "PROMOTED", "rows": 1234, "bytes": 5_000_000, "seconds": 3}],
        "phases": [
            {"state": "DeployWorker", "startedAt": BEGAN, "endedAt": later, "status": "SUCCEEDED"},
            {"state": "RemoveWorker", "startedAt": later, "endedAt": BEGAN + timedelta(minutes=15), "status": "SUCCEEDED"},
        ],
        "resources": [
            resource("instance", "DELETED", physicalId="i-1", createdAt=BEGAN, deletedAt=later, seenAbsentAt=later),
            resource("role", "DELETED", deletedAt=later, seenAbsentAt=later),
            resource("database", "KEPT", physicalId="copy", createdAt=later),
        ],
        **changes,
    }
    return Report.model_validate(values)


def result(kind: str, **values: Any) -> Result:
    database = DatabaseResult(backup_name="shop", asked_name="copy", temporary_name="t", status="PROMOTED", **values)
    return Result.model_validate({"kind": kind, "restore_id": "r-1", "databases": (database,)})


def printed(shown: Report, *results: Result) -> str:
    written = StringIO()
    report_view.print_report(Console(file=written, width=160, markup=False), shown, list(results))
    return written.getvalue()


def row(text: str, beginning: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(beginning)]
    return line.split()


def test_the_proof_shows_when_each_thing_was_made_removed_and_seen_absent() -> None:
    text = printed(report())

    assert row(text, "instance") == ["instance", "(worker)", "i-1", "05:12:00", "05:12:09", "05:12:09"]
    assert row(text, "database (")[-2:] == ["05:12:09", "kept"]


def test_a_thing_whose_making_was_never_confirmed_is_shown_with_the_time_it_was_announced() -> None:
    text = printed(report())

    assert "(05:12:00)" in row(text, "role")
    assert "never confirmed" in text


def test_a_thing_that_others_still_use_is_not_counted_as_gone_and_the_report_says_whose_it_is() -> None:
    note = "used by r-2: the last of them deletes it"
    shared = report(resources=[resource("bucket", "DELETED", createdAt=BEGAN, deletedAt=BEGAN, note=note)])

    assert f"name of bucket: {note}" in printed(shared)
    assert "all 0 temporary resources were removed and seen absent. bucket name of bucket is used" in (report_view.left_behind(shared))


def test_what_was_left_behind_is_the_last_and_loudest_line() -> None:
    text = printed(report(status="FAILED", leftovers=["instance i-1"], error={"name": "LeftoversRemain", "message": "not seen absent"}))

    assert text.splitlines()[-1] == "LEFT BEHIND: instance i-1"
    assert "LeftoversRemain: not seen absent" in text


def test_every_check_and_every_adaptation_is_listed() -> None:
    checks = (
        Check(check="rows of a", expected="3", actual="3", result="ok"),
        Check(check="rows of b", expected="4", actual="2", result="failed"),
    )
    fix_ups = (FixUp(entry="PUBLICATION feed", what="not restored"),)

    text = printed(report(), result("verify", checks=checks), result("replay", fix_ups=fix_ups))

    assert row(text, "rows of b") == ["rows", "of", "b", "4", "2", "failed"]
    assert row(text, "PUBLICATION") == ["PUBLICATION", "feed", "not", "restored"]


def test_the_short_form_counts_what_is_good_and_names_what_is_not() -> None:
    [database] = result(
        "verify",
        checks=(
            Check(check="rows of a", expected="3", actual="3", result="ok"),
            Check(check="rows of b", expected="4", actual="2", result="failed"),
            Check(check="TABLE present", expected="2", actual="2", result="ok"),
        ),
    ).databases
    written = StringIO()

    Console(file=written, width=120).print(report_view.verification_in_short(database))

    text = written.getvalue()
    assert row(text, "tables whose rows")[-2:] == ["2", "1"]
    assert row(text, "kinds of objects")[-2:] == ["1", "1"]
    assert row(text, "  rows of b") == ["rows", "of", "b:", "2,", "not", "4", "failed"]


def test_what_the_replay_and_the_verification_adapted_is_listed_together_per_database() -> None:
    left_out = (FixUp(entry="PUBLICATION feed", what="not restored"),)
    unowned = (FixUp(entry="TABLE orders", what="the owner 'app' does not exist"),)

    text = printed(report(), result("replay", fix_ups=left_out), result("verify", fix_ups=unowned))

    assert text.count("adapted in shop") == 1
    assert row(text, "PUBLICATION") == ["PUBLICATION", "feed", "not", "restored"]
    assert "the owner 'app' does not exist" in text


def test_the_end_of_a_restore_says_how_much_was_adapted_and_where_to_read_it() -> None:
    written = StringIO()
    end = Ended("r-1", "SUCCEEDED", None, (), report(), "s3://b/report.json", {}, adapted=3)

    report_view.print_end(Console(file=written, width=160), end)

    assert "Adapted: 3. To see what and why: dbrestore report r-1\n" in written.getvalue()


def test_no_rows_are_shown_of_a_native_backup() -> None:
    of_postgres = report()
    target = of_postgres.target.model_copy(update={"engine": "sqlserver-se"})

    assert row(printed(of_postgres), "shop") == ["shop", "copy", "PROMOTED", "1,234", "5.0", "MB", "3.0", "s"]
    assert row(printed(report(target=target)), "shop") == ["shop", "copy", "PROMOTED", "5.0", "MB", "3.0", "s"]


def test_what_is_proven_of_a_native_backup_stands_below_the_checks() -> None:
    text = printed(report(proofs=("DBCC CHECKDB was not run, by the request: \x1b[2J",)))

    assert "DBCC CHECKDB was not run, by the request: " in text
    assert "\x1b" not in text
    assert text.index("DBCC CHECKDB was") < text.index("seen absent")


def test_what_was_expected_stands_beside_what_it_took() -> None:
    estimated = report(estimate=ESTIMATE)

    text = printed(estimated)

    assert row(text, "DeployWorker") == ["DeployWorker", "05:12:00", "9.0", "s", "1", "min", "52", "s", "SUCCEEDED"]
    [told] = [line for line in text.splitlines() if line.startswith("Expected")]
    assert told.rstrip() == (
        "Expected 20 min 00 s, took 1 min 15 s; worker hours expected 0.30, were 0.25; expected cost $0.04 by prices of us-east-1 as of "
        "2026-06-18"
    )


def test_a_report_of_a_plan_without_an_estimate_has_no_such_column() -> None:
    assert "expected" not in printed(report()).lower()


def test_the_report_says_why_the_worker_stood_where_it_stood() -> None:
    chosen = {"subnetId": "subnet-1", "availabilityZone": "a", "rank": 1, "way": "nat", "reasons": ["same zone"]}
    rejected = {"subnetId": "subnet-2", "availabilityZone": "b", "reasons": ["no way to AWS"]}
    network = {"vpcId": "vpc-1", "subnets": [chosen, rejected]}

    text = printed(report(network=network))

    assert "Where the worker stood in vpc-1" in text
    assert row(text, "1.") == ["1.", "subnet-1", "a", "NAT", "gateway", "same", "zone"]
    assert row(text, "no ") == ["no", "subnet-2", "b", "-", "no", "way", "to", "AWS"]


def test_the_report_says_how_the_archived_files_came() -> None:
    archive = {
        "objects": 1200,
        "bytes": 5_000_000_000,
        "tier": "Expedited",
        "requested": 1100,
        "foundReady": 100,
        "fellBack": 3,
        "readableUntil": datetime(2026, 11, 26, 5, 12, tzinfo=UTC),
    }

    assert (
        "Retrieved from the archive: 1,200 files, 5.0 GB, tier Expedited; 1,100 asked for, 100 were ready or on their way, 3 by Standard "
        "because Expedited had no capacity, readable until 2026-11-26 05:12"
    ) in " ".join(printed(report(archive=archive)).split())


def drilled(**verdict: Any) -> Report:
    objectives = [
        {"name": "recoveryMinutes", "asked": 30, "measured": 0.52, "met": True},
        {"name": "pointHours", "asked": 24, "measured": None, "met": False},
    ]
    return report(drill={"name": "weekly", "verdict": "FAILED", "objectives": objectives, **verdict})


def test_a_drill_tells_each_objective_and_what_was_missed() -> None:
    told = report_view.headline(drilled()).plain.splitlines()

    assert told[-1] == "Drill weekly FAILED: recoveryMinutes 0.5 of 30, pointHours not reached of 24 MISSED"


def test_a_drill_tells_until_when_its_copies_stay() -> None:
    kept = drilled(verdict="PASSED", objectives=[], copies="DELETING", copiesUntil=BEGAN)

    assert report_view.headline(kept).plain.endswith("Drill weekly PASSED: its copies stay until 2026-11-23 05:12")


def test_answers_show_a_value_only_where_it_is_to_be_shown() -> None:
    shown = CheckAnswer(name="orders", expected="at least 1", status="ok", sha256="ab" * 32, value="60000")
    hidden = CheckAnswer(name="owner", expected="x", status="failed", sha256="cd" * 32, why="another value came back")
    lost = CheckAnswer(name="slow", expected="1", status="not checked", why="it did not end")
    out = StringIO()

    Console(file=out, width=120).print(report_view.answers("shop", (shown, hidden, lost)))

    lines = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert lines[0] == "asked of shop expected found result"
    assert lines[1:] == [
        "orders at least 1 60000 ok",
        "owner x sha256:cdcdcdcdcdcd (another value came back) failed",
        "slow 1 it did not end not checked",
    ]
