"""What the report says that a restore into SQL Server proves."""

from typing import Any, Literal

from dbrestore.contract.job import Check, DatabaseResult, JobKind, Result
from dbrestore.contract.plan import PlannedNative
from dbrestore.worker.sqlserver import checks as native_checks
from lambdas.databases.sqlserver import proof as native_proof
from tests.unit.lambdas.estimated_plans import database, planned, planned_native


class Deaf:
    """A connection on which DBCC CHECKDB finds nothing."""

    def run(self, statement: str) -> None:
        """Nothing is wrong."""


def verified(outcome: Literal["ok", "failed", "not checked"], name: str = "shop", kind: JobKind = "verify") -> Result:
    checks = (Check(check="DBCC CHECKDB", expected="no errors", actual="no errors", result=outcome),)
    found = DatabaseResult(backup_name=name, asked_name=name, temporary_name=name, status="PROMOTED", checks=checks)
    return Result(kind=kind, restore_id="r", databases=(found,))


def of(*results: Result, names: tuple[str, ...] = ("shop",), **native: Any) -> list[str]:
    values = {"option_role_arn": "arn", "staged_bytes": 1, "check_database": True, **native}
    databases = tuple(database(name, checked="81 % of its bytes are under a checksum") for name in names)
    plan = planned_native(native=PlannedNative(**values), databases=databases)
    return list(native_proof.sentences(plan, results))


def test_nothing_is_said_of_postgresql() -> None:
    assert native_proof.sentences(planned(), [verified("ok")]) == ()


def test_the_checksums_of_the_files_prove_the_bytes_and_no_more() -> None:
    [sentence] = of()

    assert sentence.startswith("Backup files, when they were added: shop: 81 % of its bytes are under a checksum. A byte ")
    assert "what has no checksum was not checked" in sentence


def test_a_database_that_was_checked_whole_is_named_with_what_that_proves() -> None:
    [_, sentence] = of(verified("ok"), verified("failed", "crm"), names=("shop", "crm"))

    assert sentence.startswith("DBCC CHECKDB found no errors in shop: every page in use can be read")
    assert "Not proven: that the rows are those of the source" in sentence


def test_a_check_that_failed_or_belongs_to_another_job_proves_nothing() -> None:
    assert len(of(verified("failed"), verified("not checked"), verified("ok", kind="restore"))) == 1


def test_a_check_that_was_not_run_is_told_with_who_decided_it() -> None:
    [_, sentence] = of(verified("not checked"), check_database=False, check_decided_by="the configuration (never)")

    assert sentence.startswith("DBCC CHECKDB was not run, by the configuration (never): ")
    assert "sqlserver.checkDatabase" in sentence


def test_the_check_is_called_as_the_worker_calls_it() -> None:
    assert native_checks.consistency(Deaf(), wanted=True).check == native_proof.CHECKDB  # type: ignore[arg-type]
