"""Which restore is meant: people give a restore id, an execution's name or its ARN; every command needs both the id and the ARN."""

import re
from dataclasses import dataclass
from itertools import islice

from botocore.exceptions import ClientError

from dbrestore.cli import following
from dbrestore.cli.control import ControlPlane
from dbrestore.cli.proofs import pages
from dbrestore.contract.errors import LedgerRowUnreadable, RestoreError, RestoreNotFound
from dbrestore.contract.names import restore_id
from dbrestore.ledger.reading import META, OPEN

RESTORE_ID = re.compile(r"r-[0-9a-f]{12}")
# Executions are kept for 90 days; beyond this many, name the execution instead of the restore.
_SEARCHED = 5000


@dataclass(frozen=True)
class Restore:
    """One restore by both of its names."""

    restore_id: str
    arn: str

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.arn.rsplit(":", 1)[-1]


def started(arn: str) -> Restore:
    """The restore of an execution."""
    return Restore(restore_id(arn), arn)


def find(control: ControlPlane, text: str) -> Restore:
    """The restore that `text` names: `r-` and twelve hexadecimal digits, an execution's name, or its ARN. Raises RestoreNotFound,
    LedgerRowUnreadable, EvidenceUnreadable."""
    if text.startswith("arn:") and text.rpartition(":")[0] != _executions(control):
        raise RestoreNotFound(
            f"{text} is no execution of {control.state_machine_arn}, which is asked here: name the Region and the profile of the control "
            "plane that it belongs to, or give the ARN of an execution"
        )
    looks = (_by_ledger, _by_name, _by_evidence, _by_report, _by_restore_id)
    found = next(filter(None, (look(control, text) for look in looks)), None)
    if found is None:
        raise _unknown(control, text)
    return found


def _unknown(control: ControlPlane, text: str) -> RestoreError:
    """What `dbrestore list` shows is never said not to exist."""
    known = RESTORE_ID.fullmatch(text)
    meta, opened = (control.ledger.get(text, META), control.ledger.get(OPEN, text)) if known else (None, None)
    if meta or opened:
        trouble = "no longer says which execution it is of" if meta else "is gone"
        return LedgerRowUnreadable(
            f"The ledger has a restore {text}, but its row META {trouble}: another version wrote it, or somebody edited it. Give the name "
            f"or the ARN of its execution. What it made carries the tag dbrestore:restore-id={text}"
        )
    return RestoreNotFound(
        f"No restore {text!r}. Give a restore id (r-...), or an execution's name or ARN: `dbrestore list` lists them, and the Step "
        "Functions console those that were refused."
    )


def _executions(control: ControlPlane) -> str:
    """What the ARN of each execution begins with."""
    return control.state_machine_arn.replace(":stateMachine:", ":execution:")


def _by_ledger(control: ControlPlane, text: str) -> Restore | None:
    """Also one whose execution Step Functions no longer knows. The id is a digest of the ARN: any other was written there by hand."""
    meta = control.ledger.get(text, META) if RESTORE_ID.fullmatch(text) else None
    arn = meta.get("executionArn") if meta else None
    return Restore(text, arn) if isinstance(arn, str) and restore_id(arn) == text else None


def _by_report(control: ControlPlane, text: str) -> Restore | None:
    """One that is over, whatever became of its rows."""
    report = following.read_report(control, text) if RESTORE_ID.fullmatch(text) else None
    return Restore(text, report.execution_arn) if report else None


def _by_evidence(control: ControlPlane, text: str) -> Restore | None:
    """A drill that could not begin, which no row of the ledger has by its id."""
    evidence = pages.refused(control, text) if RESTORE_ID.fullmatch(text) else None
    return Restore(text, evidence.execution_arn) if evidence else None


def _by_name(control: ControlPlane, text: str) -> Restore | None:
    arn = text if text.startswith("arn:") else f"{_executions(control)}:{text}"
    try:
        return started(control.executions.describe_execution(executionArn=arn)["executionArn"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ExecutionDoesNotExist", "InvalidArn", "ValidationException"):
            return None
        raise


def _by_restore_id(control: ControlPlane, text: str) -> Restore | None:
    """The id is a digest of the ARN, so the newest executions are tried one after the other; even a refused plan is found this way."""
    if not RESTORE_ID.fullmatch(text):
        return None
    pages = control.executions.get_paginator("list_executions").paginate(stateMachineArn=control.state_machine_arn)
    arns = (execution["executionArn"] for page in pages for execution in page["executions"])
    return next((restore for restore in map(started, islice(arns, _SEARCHED)) if restore.restore_id == text), None)
