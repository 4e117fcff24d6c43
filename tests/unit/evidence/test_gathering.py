"""Evidence out of a restore's documents: what is counted, what is listed, and what is claimed."""

import json
from datetime import timedelta
from typing import Any

import pytest

from dbrestore.contract.evidence import Digest, Evidence
from dbrestore.contract.job import Check, ErrorNote, PostgresOptions
from dbrestore.evidence import databases, digests, gathering, methods, page, point, recovery, segregation
from dbrestore.evidence.timeline import drawn
from tests.unit.evidence import made
from tests.unit.evidence.made import evidence, report, result, verified


def checks(count: int, ended: str = "ok") -> tuple[Check, ...]:
    return tuple(Check(check=f"rows of t{number}", expected="1", actual="1", result=ended) for number in range(count))  # type: ignore[arg-type]


def test_all_checks_are_counted_and_the_worst_are_listed_first() -> None:
    found = verified("orders", checks=(*checks(5_000), *checks(2, "not checked"), *checks(3, "failed")))

    (database,) = evidence(report(), result(found)).databases

    assert [(sort.checked, sort.ok, sort.failed, sort.not_checked) for sort in database.sorts] == [(5_005, 5_000, 3, 2)]
    assert [check.result for check in database.checks[:6]] == ["failed"] * 3 + ["not checked"] * 2 + ["ok"]
    assert len(database.checks) == databases.LISTED
    assert database.checks_unlisted == 5_005 - databases.LISTED


def test_many_databases_share_the_list() -> None:
    names = [f"d{number}" for number in range(40)]
    found = evidence(report(names), result(*(verified(name, checks=checks(1_000)) for name in names)))

    assert {len(database.checks) for database in found.databases} == {50}
    assert sum(len(database.checks) for database in found.databases) == databases.LISTED


def test_long_texts_are_cut_and_say_so() -> None:
    long = Check(check="c" * 4_000, expected="e", actual="a", result="ok")

    (database,) = evidence(report(), result(verified("orders", checks=(long,)))).databases

    assert database.checks[0].check.endswith("... (cut, 4,000 characters)")
    assert len(database.checks[0].check) < 500


def test_the_last_verification_counts() -> None:
    failed = result(verified("orders", status="FAILED", checks=checks(1, "failed")))

    (database,) = evidence(report(), failed, result(verified("orders"))).databases

    assert database.proven


@pytest.mark.parametrize(
    ("check", "method"),
    [
        ("rows of public.orders", methods.COUNTS),
        ("large objects", methods.COUNTS),
        ("content of public.orders", methods.CONTENTS),
        ("content of large objects", methods.CONTENTS),
        ("value of sequence public.s", methods.CONTENTS),
        ("DBCC CHECKDB", methods.ENGINE),
        ("TABLE present", methods.STRUCTURE),
        ("encoding, collation, character type", methods.STRUCTURE),
    ],
)
def test_every_check_has_a_method(check: str, method: str) -> None:
    assert methods.sort_of(check)[1] == method


def test_methods_that_were_not_used_are_told_too() -> None:
    found = evidence(report(), result(verified("orders")))

    assert {method.name: method.checked for method in found.methods} == {
        methods.COUNTS: 1,
        methods.CONTENTS: 1,
        methods.STRUCTURE: 1,
        methods.ENGINE: 0,
        methods.OWN_SQL: 0,
    }


def test_a_restore_into_the_source_itself_is_not_segregated() -> None:
    told = report()
    same = told.model_copy(update={"target": told.target.model_copy(update={"db_instance": "orders-prod"})})

    found = segregation.judged(same)

    assert (found.instance, found.account, found.region, found.vpc) == ("same",) * 4
    assert found.told[0].startswith("Not segregated: ")


def test_of_another_instance_nothing_is_claimed_that_a_restore_point_does_not_know() -> None:
    found = segregation.judged(report())

    assert (found.instance, found.account, found.region, found.vpc) == ("other", "not known", "not known", "not known")
    assert (found.store_account, found.store_region) == ("other", "other")
    assert found.told[1] == "The backup is kept in account 210987654321, eu-west-1; the target is in account 123456789012, eu-central-1."


def test_recovery_ends_with_the_verification_and_the_rest_is_split() -> None:
    found = recovery.measured(report())
    began_to_verified = sum(seconds + 2 for _, seconds in made.SECONDS[:8]) - 2

    assert found.recovery_seconds == began_to_verified
    assert {part.name: part.seconds for part in found.parts} == {
        "planning": 3.0,
        "archive": 43_020,
        "worker and network": 235,
        "staging": 800,
        "restore": 5_400,
        "verification": 1_300,
        "clean-up": 233.4,
    }


def test_a_restore_that_never_verified_has_no_recovery_time() -> None:
    assert recovery.measured(report(phases=made.phases(made.SECONDS[:7]))).recovery_seconds is None


def test_time_that_several_states_cover_counts_once() -> None:
    one, hour = made.BEGAN, timedelta(hours=1)

    assert recovery.covered([(one, one + 2 * hour), (one + hour, one + 3 * hour), (one + 5 * hour, one + 6 * hour)]) == 4 * 3600


def test_the_timeline_keeps_everything_on_the_axis() -> None:
    told = report()

    found = drawn(told.phases, told.started_at + timedelta(hours=1), told.ended_at - timedelta(hours=1))

    assert all(0 <= bar.left <= bar.right <= 100 for bar in found.bars)
    assert (found.began, found.ended) == (told.phases[0].started_at, told.phases[-1].ended_at)


def test_a_point_tells_age_and_files_of_the_restored_databases_alone() -> None:
    told = report(("orders",))
    files: list[dict[str, Any]] = [
        {"key": f"orders-prod/p/{name}/dump", "length": 7, "sha256": made.SHA, "more": 1} for name in ("orders", "crm")
    ]
    databases_ = [{"name": file["key"].split("/")[2], "files": [file], "dumpedAt": "2026-11-27T23:59:00", "toc": {}} for file in files]
    text = json.dumps({"engineVersion": "16.3", "databases": databases_}).encode()

    found = point.read(told, text)

    assert found.age_seconds == 26 * 3600
    assert found.files == (Digest(name="orders-prod/p/orders/dump", sha256=made.SHA, bytes=7),)
    assert found.engine_version == "16.3"
    assert found.taken_at is not None
    assert found.manifest_state == "changed"


@pytest.mark.parametrize("text", [b"", b"[]", b'{"databases": [{"files": 7}]}'])
def test_a_manifest_that_is_none_any_more_is_told(text: bytes) -> None:
    found = point.read(report(), text)

    assert found.manifest_state == "not read"
    assert found.why.startswith("the manifest can't be read")


def test_the_choices_that_allow_a_difference_are_told() -> None:
    chosen = PostgresOptions(skip_unrestorable=True, owners={"a": "b"}, encoding="UTF8", verify="content")

    accepted = evidence(report(postgres=chosen)).asked.accepted

    assert [one.partition(":")[0] for one in accepted] == ["onUnrestorable skip", "owners", "encoding UTF8, locale of the dump"]


def test_the_next_backup_of_the_target_may_take_longer() -> None:
    (notice,) = evidence(report()).notices

    assert notice.startswith("The next backup of drills may take longer than usual")


def test_a_thousand_things_are_listed_and_the_rest_is_counted() -> None:
    rows = report().resources[:1] * 1_200

    found = evidence(report(resources=rows))

    assert (len(found.resources), found.resources_unlisted) == (gathering.LISTED_RESOURCES, 200)


def test_names_with_line_feeds_are_written_as_sha256sum_reads_them() -> None:
    lines = digests.lines([Digest(name="a\nb\\c", sha256=made.SHA, bytes=1), Digest(name="plain", sha256=made.SHA, bytes=1)])

    assert lines == f"\\{made.SHA}  a\\nb\\\\c\n{made.SHA}  plain\n"


def test_what_tells_progress_is_no_evidence() -> None:
    names = ["jobs/replay/progress.json", "evidence.json", "report.html", "manifest.sha256", "report.json", "jobs/replay/job.json"]

    assert [name for name in names if digests.is_covered(name)] == ["report.json", "jobs/replay/job.json"]


def test_a_method_whose_checks_could_not_be_made_is_not_told_as_used() -> None:
    check = Check(check="DBCC CHECKDB", expected="no errors", actual="not requested", result="not checked")

    text = page.of_restore(evidence(report(), result(verified("orders", checks=(check,))))).decode()

    assert "not used: the database server examined its own pages (DBCC CHECKDB)" in text


def test_the_page_of_the_largest_restore_is_one_that_a_browser_opens_at_once() -> None:
    names = [f"d{number}" for number in range(40)]
    found = evidence(report(names), result(*(verified(name, checks=checks(2_500)) for name in names)))

    assert len(page.of_restore(found)) < 1_500_000
    assert len(found.to_json()) < 500_000


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({}, ("all of the restore point", "the latest restore point", "drills")),
        ({"databases": ["orders", "crm"]}, ("orders, crm", "the latest restore point", "drills")),
        (
            {
                "databases": {"rotate": 3},
                "source": {"dbInstance": "orders-prod", "restorePoint": {"random": {"withinDays": 30}}},
                "target": {"dbInstance": "drills", "account": "222222222222", "region": "eu-west-1"},
            },
            ("3, in turn", "one of the restore points of the last 30 days, drawn at random", "drills, account 222222222222, eu-west-1"),
        ),
        ({"databases": {"random": 2}}, ("2, drawn at random", "the latest restore point", "drills")),
    ],
)
def test_what_a_drill_that_could_not_begin_should_have_proven_is_told_in_words(declared: dict[str, Any], told: tuple[str, ...]) -> None:
    found = made.refused(ErrorNote(name="DrillSkipped", message=made.SKIPPED), **declared).declared

    assert found is not None
    assert (found.databases, found.restore_point, found.target) == told
    assert (found.schedule, found.source) == ("cron(0 2 ? * SUN *), on the clock of Europe/Berlin", "orders-prod")
    assert (found.recovery_minutes, found.point_hours) == (90, 26)


def test_evidence_of_years_is_read_whatever_may_be_asked_by_then() -> None:
    """Another version may have let somebody ask what this one refuses."""
    kept = made.refused(ErrorNote(name="DrillSkipped", message=made.SKIPPED)).to_state()
    kept["declared"]["questions"] = [{"name": "old", "sql": "CALL what_was_allowed_once()", "expected": "1"}]

    read = Evidence.from_json_of_any_version(json.dumps(kept))

    assert read.declared is not None
    assert read.declared.questions[0].sql == "CALL what_was_allowed_once()"
