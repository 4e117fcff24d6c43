"""What bounds an invocation and is not the clock's to say: it comes in from outside, so that a test can have files of one part, or nobody
waited out."""

from dataclasses import dataclass

from dbrestore.contract import limits


@dataclass(frozen=True)
class Bounds:
    """The numbers of `dbrestore.contract.limits` that a function may be given otherwise; times in seconds."""

    visible_after: float = limits.VISIBLE_AFTER
    shown_within: float = limits.SHOWN_WITHIN
    looks_apart: float = limits.LOOKS_APART
    agent_unheard_within: float = limits.AGENT_UNHEARD_WITHIN
    archive_batch: int = limits.ARCHIVE_BATCH
    archive_rounds: int = limits.ARCHIVE_ROUNDS
    staging_threads: int = limits.STAGING_THREADS
    staging_part_bytes: int = limits.STAGING_PART_BYTES
    removal_seconds: float = limits.REMOVAL_SECONDS
    copying_seconds: float = limits.COPYING_SECONDS
    adopting_seconds: float = limits.ADOPTING_SECONDS
    examination_seconds: float = limits.EXAMINATION_SECONDS
    content_up_to_bytes: int = limits.CONTENT_UP_TO_BYTES
    api_plan_seconds: float = limits.API_PLAN_SECONDS
    api_look_seconds: float = limits.API_LOOK_SECONDS
