"""What a restore has in the evidence bucket, below `restores/<restore id>/`: the document, its page, and the digests of everything."""

import hashlib
from dataclasses import dataclass
from typing import Final

from dbrestore.contract import keys
from dbrestore.contract.evidence import Digest, Evidence
from dbrestore.evidence import digests
from lambdas.runtime import telemetry
from lambdas.runtime.state import Surroundings
from lambdas.runtime.telemetry import log

_TYPES: Final = {"json": "application/json", "html": "text/html; charset=utf-8", "sha256": "text/plain; charset=utf-8"}


@dataclass(frozen=True)
class Sealed:
    """`page` is where it lies, None if it could not be made, for the reason `trouble`."""

    manifest_sha256: str
    page: str | None
    trouble: str | None = None


def sealed(surroundings: Surroundings, evidence: Evidence) -> Sealed:
    """Write the evidence, its page and the digests. Without a page the rest is there all the same; what else can't be written is raised."""
    restore_id, trouble = evidence.restore_id, None
    page: str | None = uri(surroundings, restore_id, digests.PAGE)
    written = [write(surroundings, restore_id, digests.EVIDENCE, evidence.to_json().encode())]
    try:
        written.append(write(surroundings, restore_id, digests.PAGE, _page(evidence, written[0].sha256)))
    except Exception as error:
        page, trouble = None, failed("the page was not made", error)
    manifest = write(surroundings, restore_id, digests.MANIFEST, digests.lines([*evidence.documents, *written]).encode())
    return Sealed(manifest.sha256, page, trouble)


def failed(what: str, error: Exception) -> str:
    """Log and count what could not be done; why, in a sentence."""
    log.exception(what)
    telemetry.count("EvidenceFailures")
    return f"{what}: {type(error).__name__}: {str(error)[:500]}"


def _page(evidence: Evidence, sha256: str) -> bytes:
    # Its library takes a tenth of a second, which no start of another function has to spare.
    from dbrestore.evidence import page

    return page.of_restore(evidence, sha256)


def write(surroundings: Surroundings, restore_id: str, name: str, content: bytes) -> Digest:
    """Write one document, by its path in the folder."""
    surroundings.control.s3.put_object(
        Bucket=surroundings.settings.evidence_bucket,
        Key=keys.restore_prefix(restore_id) + name,
        Body=content,
        ContentType=_TYPES[name.rpartition(".")[2]],
    )
    return Digest(name=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def uri(surroundings: Surroundings, restore_id: str, name: str) -> str:
    """Where a document of the folder lies."""
    return f"s3://{surroundings.settings.evidence_bucket}/{keys.restore_prefix(restore_id)}{name}"
