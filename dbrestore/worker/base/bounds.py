"""What bounds a job and may be given otherwise: it comes in from outside, so that nobody waits for minutes to see what happens then."""

from dataclasses import dataclass
from typing import Final

from dbrestore.worker.base import limits


@dataclass(frozen=True)
class Bounds:
    """Those numbers of `dbrestore.worker.base.limits`, which says what they are for."""

    connect_timeout_seconds: float = limits.CONNECT_TIMEOUT_SECONDS
    connect_pause_seconds: float = limits.CONNECT_PAUSE_SECONDS
    connected_within_seconds: float = limits.CONNECTED_WITHIN_SECONDS
    recovered_within_seconds: float = limits.RECOVERED_WITHIN_SECONDS
    put_back_within_seconds: float = limits.PUT_BACK_WITHIN_SECONDS
    token_pause_seconds: float = limits.TOKEN_PAUSE_SECONDS
    rotation_seconds: float = limits.ROTATION_SECONDS
    rotation_pause_seconds: float = limits.ROTATION_PAUSE_SECONDS
    progress_seconds: float = limits.PROGRESS_SECONDS
    reading_note_seconds: float = limits.READING_NOTE_SECONDS
    counted_beside: int = limits.COUNTED_BESIDE
    counting_seconds: float = limits.COUNTING_SECONDS

    check_seconds: int = limits.CHECK_SECONDS
    analyze_seconds: int = limits.ANALYZE_SECONDS
    cancel_seconds: float = limits.CANCEL_SECONDS
    hand_over_lock_seconds: int = limits.HAND_OVER_LOCK_SECONDS
    replay_losses: int = limits.REPLAY_LOSSES
    replay_losses_in_vain: int = limits.REPLAY_LOSSES_IN_VAIN
    building_seconds: float = limits.BUILDING_SECONDS
    shared_member: int = limits.SHARED_MEMBER
    defined_together: int = limits.DEFINED_TOGETHER
    size_free: int = limits.SIZE_FREE
    size_look_seconds: float = limits.SIZE_LOOK_SECONDS

    native_reconnect_seconds: float = limits.NATIVE_RECONNECT_SECONDS
    native_reconnect_pause_seconds: float = limits.NATIVE_RECONNECT_PAUSE_SECONDS
    native_online_within_seconds: float = limits.NATIVE_ONLINE_WITHIN_SECONDS
    native_interruptions: int = limits.NATIVE_INTERRUPTIONS
    native_look_again_seconds: float = limits.NATIVE_LOOK_AGAIN_SECONDS
    native_poll_seconds: float = limits.NATIVE_POLL_SECONDS
    native_longest_poll_seconds: float = limits.NATIVE_LONGEST_POLL_SECONDS
    native_slot_wait_seconds: float = limits.NATIVE_SLOT_WAIT_SECONDS
    native_late_submission_seconds: float = limits.NATIVE_LATE_SUBMISSION_SECONDS


USUAL: Final = Bounds()
