"""The page of a restore's evidence: the stored one, which its digests are of, or one that is made now of what is there."""

import tempfile
import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import ClientError
from pydantic import ValidationError

from dbrestore.cli.control import ControlPlane
from dbrestore.contract import keys
from dbrestore.contract.deployed import versions
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.evidence import Evidence
from dbrestore.contract.job import Result
from dbrestore.contract.record import Report
from dbrestore.contract.refusals import error_code
from dbrestore.evidence import digests, gathering, point

HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write the evidence to this file, as one self-contained page."),
]
OpenIt = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


def of_restore(plane: ControlPlane, report: Report, results: list[Result]) -> bytes:
    """The page as it was stored; without one, made of the evidence, or of the report of a version that left none."""
    stored = _document(plane, report.restore_id, digests.PAGE)
    return stored or _made(plane, report, results)


def of_refused(plane: ControlPlane, evidence: Evidence) -> bytes:
    """The page of a drill that could not begin, as it was stored, or made of its evidence."""
    from dbrestore.evidence import page

    return _document(plane, evidence.restore_id, digests.PAGE) or page.of_restore(evidence)


def refused(plane: ControlPlane, restore_id: str) -> Evidence | None:
    """The evidence of a drill that could not begin, which has no report; None if it left none that can be read."""
    evidence = _evidence(plane, restore_id)
    return evidence if evidence and evidence.declared else None


def _made(plane: ControlPlane, report: Report, results: list[Result]) -> bytes:
    # Whoever asks for a page waits for its library; nobody else does.
    from dbrestore.evidence import page

    return page.of_restore(_evidence(plane, report.restore_id) or _gathered(report, results))


def _evidence(plane: ControlPlane, restore_id: str) -> Evidence | None:
    text = _document(plane, restore_id, digests.EVIDENCE)
    try:
        return Evidence.from_json_of_any_version(text) if text else None
    except ValidationError:
        return None


def _gathered(report: Report, results: list[Result]) -> Evidence:
    """Nobody took digests then, and the plan is gone."""
    return gathering.gathered(
        gathering.Material(
            report=report,
            results={str(place): result for place, result in enumerate(results)},
            plan=None,
            point=point.unread(report, "this page was made later, from the report alone"),
            documents=(),
            written_at=datetime.now(UTC),
            tool=f"{versions.NUMBER} (the command that made this page)",
            code="unknown",
        )
    )


def _document(plane: ControlPlane, restore_id: str, name: str) -> bytes | None:
    try:
        found = plane.storage.get_object(Bucket=plane.evidence_bucket, Key=keys.restore_prefix(restore_id) + name)
    except ClientError as error:
        # Without ListBucket, S3 answers 403 for a key that isn't there.
        if error_code(error) not in ("NoSuchKey", "404", "AccessDenied", "403"):
            raise
        return None
    body: bytes = found["Body"].read()
    return body


def deliver(content: bytes, name: str, file: Path | None, *, opened: bool) -> Path:
    """Write a page, into `file` or one of its own in a new folder, and open it if that is wanted; where it lies. Raises
    RestoreRequestInvalid if it can't be written."""
    path = file or Path(tempfile.mkdtemp(prefix="dbrestore-")) / name
    try:
        path.write_bytes(content)
    except OSError as error:
        raise RestoreRequestInvalid(f"--html {str(file)!r}: {error.strerror}: name a file in a folder that you can write to") from error
    if opened:
        webbrowser.open(path.resolve().as_uri())
    return path
