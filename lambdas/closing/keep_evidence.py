"""The evidence beside the report: the document, its page, and the digests of everything, written when all else is done.

Invariant: nothing in here keeps a restore from closing or changes how it ended. What can't be made is told by its reason, in the state's
result, in the log and as a metric; the report is there all the same, and `dbrestore report ID --html` makes a page of it.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError

from dbrestore.contract import keys
from dbrestore.contract.deployed import versions
from dbrestore.contract.evidence import Digest, ListedProof, PointEvidence
from dbrestore.contract.job import Result
from dbrestore.contract.plan import Plan
from dbrestore.contract.record import Report
from dbrestore.contract.refusals import error_code
from dbrestore.contract.sections import ReportSection
from dbrestore.evidence import digests, gathering, listed_proof, point
from dbrestore.points import manifest_reading
from lambdas.runtime import evidence_folder, telemetry
from lambdas.runtime.state import Restore
from lambdas.runtime.telemetry import log

PLAN: Final = "plan.json"
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Ended:
    """A restore that is over. `results` by the job's name; `plan_text` as the ledger keeps it, `plan` None if it can't be read."""

    report: Report
    results: Mapping[str, Result]
    plan_text: str
    plan: Plan | None


def keep(restore: Restore, ended: Ended) -> ReportSection:
    """Write all of it, as far as it can be made; the state's section."""
    where = section(restore)
    try:
        return _kept(restore, ended, where)
    except Exception as error:
        return where.model_copy(update={"page": None, "trouble": evidence_folder.failed("the evidence was not written", error)})


def proof(ended: Ended) -> ListedProof | None:
    """What the list of restores keeps of it; None if that can't be made, and coverage then reads the report."""
    try:
        return listed_proof.listed(ended.report, ended.results.values())
    except Exception:
        log.exception("the list of restores does not say what was proven")
        telemetry.count("EvidenceFailures")
        return None


def section(restore: Restore) -> ReportSection:
    """Where the report lies, and what of the evidence is there already."""
    where = ReportSection(report=f"s3://{restore.settings.evidence_bucket}/{keys.report_key(restore.ledger.restore_id)}")
    try:
        written = _read(restore, digests.MANIFEST)
    except ClientError as error:
        if error_code(error) not in ("NoSuchKey", "404"):
            log.exception("it isn't known whether evidence was written already")
        return where
    page = evidence_folder.uri(restore.surroundings, restore.ledger.restore_id, digests.PAGE)
    return where.model_copy(update={"page": page, "manifest_sha256": hashlib.sha256(written).hexdigest()})


def _kept(restore: Restore, ended: Ended, where: ReportSection) -> ReportSection:
    evidence_folder.write(restore.surroundings, restore.ledger.restore_id, PLAN, ended.plan_text.encode())
    evidence = gathering.gathered(
        gathering.Material(
            report=ended.report,
            results=ended.results,
            plan=ended.plan,
            point=_point(restore, ended.report),
            documents=tuple(_documents(restore)),
            written_at=restore.now(),
            tool=versions.NUMBER,
            code=versions.of_code(),
        )
    )
    done = evidence_folder.sealed(restore.surroundings, evidence)
    return where.model_copy(update={"page": done.page, "manifest_sha256": done.manifest_sha256, "trouble": done.trouble})


def _point(restore: Restore, report: Report) -> PointEvidence:
    """What the repository says of the restore point now: it may be gone, archived or another one."""
    bucket, _, key = report.source.manifest.removeprefix("s3://").partition("/")
    try:
        response = restore.surroundings.control.s3.get_object(Bucket=bucket, Key=key)
        with closing(response["Body"]) as body:
            if response["ContentLength"] > manifest_reading.LONGEST:
                return point.unread(report, f"it has {response['ContentLength']:,} bytes now, more than any manifest")
            return point.read(report, body.read())
    except ClientError as error:
        return point.unread(report, f"S3 answered {error_code(error)}")


def _documents(restore: Restore) -> Iterator[Digest]:
    """Of everything else that this restore has in the bucket."""
    s3, bucket, prefix = restore.surroundings.control.s3, restore.settings.evidence_bucket, keys.restore_prefix(restore.ledger.restore_id)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            name = item["Key"].removeprefix(prefix)
            if digests.is_covered(name):
                with closing(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"]) as body:
                    yield _digest(name, lambda body=body: body.read(_CHUNK))  # type: ignore[misc]


def _digest(name: str, read: Callable[[], bytes]) -> Digest:
    found, length = hashlib.sha256(), 0
    while chunk := read():
        found.update(chunk)
        length += len(chunk)
    return Digest(name=name, sha256=found.hexdigest(), bytes=length)


def _read(restore: Restore, name: str) -> bytes:
    key = keys.restore_prefix(restore.ledger.restore_id) + name
    with closing(restore.surroundings.control.s3.get_object(Bucket=restore.settings.evidence_bucket, Key=key)["Body"]) as body:
        return body.read()
