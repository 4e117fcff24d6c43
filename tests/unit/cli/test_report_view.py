"""What `dbrestore report` shows of a finished restore."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from rich.console import Console

from cli import report_view
from cli.following import Ended
from lambdas.contract import Plan
from lambdas.record import Report
from worker.job import Check, DatabaseResult, FixUp, Result

BEGAN = datetime(2026, 11, 23, 5, 12, tzinfo=UTC)


def resource(kind: str, state: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "role": "worker", "name": f"name of {kind}", "state": state, "intendedAt": BEGAN, **more}


def report(**changes: Any) -> Report:
    later = BEGAN + timedelta(seconds=9)
    values: dict[str, Any] = {
        "restoreId": "r-1", "executionArn": "arn", "status": "SUCCEEDED", "startedAt": BEGAN, "endedAt": BEGAN + timedelta(seconds=75),
        "target": {
            "account": "123456789012", "region": "eu-central-1", "dbInstance": "shop", "arn": "arn", "engine": "postgres",
            "engineVersion": "17.10", "host": "h", "port": 5432, "vpcId": "vpc-1", "availabilityZone": "a", "secretArn": "arn",
        },
        "source": {"dbInstance": "shop", "restorePoint": "p1", "manifest": "s3://b/m"},
        "databases": [{"name": "shop", "askedName": "copy", "status": "PROMOTED", "rows": 1234, "bytes": 5_000_000, "seconds": 3}],
        "phases": [{"state": "DeployWorker", "startedAt": BEGAN, "endedAt": later, "status": "SUCCEEDED"}],
        "resources": [
            resource("instance", "DELETED", physicalId="i-1", createdAt=BEGAN, deletedAt=later, seenAbsentAt=later),
            resource("role", "DELETED", deletedAt=later, seenAbsentAt=later),
            resource("database", "KEPT", physicalId="copy", createdAt=later),
        ],
        **changes,
    }  # fmt: skip
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
    assert "all 0 temporary resources were removed and seen absent. bucket name of bucket is used" in (
        report_view.left_behind(shared)
    )


def test_what_was_left_behind_is_the_last_and_loudest_line() -> None:
    text = printed(
        report(
            status="FAILED", leftovers=["instance i-1"], error={"name": "LeftoversRemain", "message": "not seen absent"}
        )
    )

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


def test_a_plan_says_what_a_plan_cannot_see() -> None:
    text = printed_plan("postgres", notes=["shop: tables 2, without data 2"])

    assert "whether a name is free in the target" in text
    assert "first thing in ReplayDumps" in text
    assert "Note: shop: tables 2, without data 2\n" in text


def test_a_plan_for_sql_server_says_what_is_copied_and_speaks_of_no_rows_or_streams() -> None:
    text = printed_plan("sqlserver", native={"optionRoleArn": "arn:role", "stagedBytes": 5_000_000})

    assert "Copied 5.0 MB into a temporary bucket, which RDS reads with arn:role\n" in text
    assert row(text, "shop") == ["shop", "copy", "7.0", "MB"]
    assert "first thing in RestoreNativeBackups" in text
    assert not {"streams", "rows", "tables"} & set(text.split())


def test_no_rows_are_shown_of_a_native_backup() -> None:
    of_postgres = report()
    target = of_postgres.target.model_copy(update={"engine": "sqlserver-se"})

    assert row(printed(of_postgres), "shop") == ["shop", "copy", "PROMOTED", "1,234", "5.0", "MB", "3.0", "s"]
    assert row(printed(report(target=target)), "shop") == ["shop", "copy", "PROMOTED", "5.0", "MB", "3.0", "s"]


def printed_plan(engine: str, **more: Any) -> str:
    database = {"name": "shop", "askedName": "copy", "temporaryName": "t", "bytes": 7_000_000, "rows": 9, "tables": 2}
    plan = Plan.model_validate({
        "restoreId": "r-1", "executionArn": "arn", "mode": "plan", "plannedAt": BEGAN, "engine": engine, "archived": False,
        "target": report().target.to_state(), "source": report().source.to_state(), "databases": [database], **more,
        "worker": {
            "launches": [{"instanceType": "m7g.large", "subnetId": "s"}], "securityGroupIds": ["g"],
            "instanceProfileArn": "arn", "documentName": "d",
            "programUri": "s3://b/p", "streams": 2, "keepToastCompression": False, "maxRunMinutes": 60,
        },
    })  # fmt: skip
    written = StringIO()
    report_view.print_plan(Console(file=written, width=200), plan)
    return written.getvalue()
