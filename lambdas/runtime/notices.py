"""The notice of an event: one sentence for people in other systems, and what those systems must know to place it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from dbrestore.contract.api.notice import ADDRESSABLE, Notice, Severity
from dbrestore.contract.approval import AWAITING
from dbrestore.contract.record import RestoreEvent
from dbrestore.contract.sections import DatabaseOutcome

# A message of PagerDuty's has 1,024 characters at most, a block of Slack's 3,000.
LONGEST: Final = 900
LONGEST_DETAILS: Final = 2500
MOST_DATABASES: Final = 10
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,63}")
_GONE: Final = ("FAILED", "DISCARDED")
# What markup, mentions and links are made of in some ticket system or chat, by the wide characters of Unicode that look like it: names of
# databases and messages of servers may say anything.
_HARMLESS: Final = {ord(character): chr(ord(character) + 0xFEE0) for character in "<>[]{}@&|`*#"}


def of(kind: str, event: RestoreEvent) -> Notice:
    """The notice of an event of this detail type."""
    word, sentence = _SENTENCES.get(kind, _ended)(event)
    more = "" if event.status == "RUNNING" else f" To read more: dbrestore report {event.restore_id}"
    text = f"[dbrestore {event.restore_id} {word}] {sentence}{more}"[:LONGEST]
    id_ = event.ticket.id or ""
    is_addressable = ADDRESSABLE.fullmatch(id_) is not None
    return Notice(
        text=text,
        details="\n".join([text, *(line.translate(_HARMLESS) for line in _details(event))])[:LONGEST_DETAILS],
        severity=_severity(event),
        has_ticket=is_addressable,
        ticket=id_ if is_addressable else "",
        caller=event.caller or "",
    )


def _details(event: RestoreEvent) -> Iterator[str]:
    for database in event.databases[:MOST_DATABASES]:
        yield f"{database.asked_name} (from {database.name}): {_how(database)}"
    if len(event.databases) > MOST_DATABASES:
        yield f"and {len(event.databases) - MOST_DATABASES} more"
    yield from (swap.truth for swap in event.swaps[:MOST_DATABASES])
    if event.error:
        yield f"{event.error.name}: {event.error.message}"


def _how(database: DatabaseOutcome) -> str:
    if database.error:
        return f"{database.status}, {database.error.name}"
    return f"{database.status}, {database.rows:,} rows" if database.rows else database.status


def _severity(event: RestoreEvent) -> Severity:
    if event.leftovers:
        return "critical"
    return "error" if event.status == "FAILED" else "info"


def _place(event: RestoreEvent) -> str:
    """The instance's or cluster's name alone: account and Region are nobody's business elsewhere. A refused request may say anything."""
    name = event.target.rpartition(":")[2]
    return name if _NAME.fullmatch(name) else "its target"


def _what(event: RestoreEvent) -> str:
    return {"swap": "exchange of names", "add": "addition of a restore point"}.get(event.mode, event.mode)


def _started(event: RestoreEvent) -> tuple[str, str]:
    return "STARTED", f"The {_what(event)} into {_place(event)} has begun."


def _goes_on(event: RestoreEvent) -> tuple[str, str]:
    if event.phase == AWAITING:
        return "WAITING", f"The restore into {_place(event)} waits for a second person: dbrestore approve {event.restore_id}"
    return "RUNNING", f"The {_what(event)} into {_place(event)} goes on: {event.phase}."


def _refused(event: RestoreEvent) -> tuple[str, str]:
    return "REFUSED", f"The restore into {_place(event)} was refused before anything was made: {_error(event)}."


def _left_behind(event: RestoreEvent) -> tuple[str, str]:
    count = len(event.leftovers)
    return "LEFTOVERS", f"The {_what(event)} into {_place(event)} ended, and of what it made {count} can't be seen to be gone."


def _missed(event: RestoreEvent) -> tuple[str, str]:
    return "OBJECTIVE MISSED", f"The drill {event.drill_name} into {_place(event)} missed an objective."


def _ended(event: RestoreEvent) -> tuple[str, str]:
    what = f"The drill {event.drill_name}" if event.mode == "drill" else "The restore"
    there = sum(database.status not in _GONE for database in event.databases)
    if event.status == "SUCCEEDED":
        return (
            "SUCCEEDED",
            f"{what} into {_place(event)} succeeded: {there} of {len(event.databases)} databases, verified{_replacing(event)}.",
        )
    return "FAILED", f"{what} into {_place(event)} failed: {_error(event)}. {there} of {len(event.databases)} databases are there."


def _replacing(event: RestoreEvent) -> str:
    return ", in place of those from before" if event.swaps and all(swap.is_done for swap in event.swaps) else ""


def _exchanged(event: RestoreEvent) -> tuple[str, str]:
    done = sum(swap.is_done for swap in event.swaps)
    if event.status == "SUCCEEDED":
        words = {"swap": "took the place of the old one", "undo": "turned back", "drop": "dropped"}
        how = words[event.swaps[0].action] if event.swaps else "exchanged"
        return "SUCCEEDED", f"The exchange of names in {_place(event)} succeeded: {done} of {len(event.swaps)} databases {how}."
    return "FAILED", f"The exchange of names in {_place(event)} failed: {_error(event)}. {done} of {len(event.swaps)} databases done."


def _error(event: RestoreEvent) -> str:
    return event.error.name if event.error else "no reason is known"


_SENTENCES: Final[Mapping[str, Callable[[RestoreEvent], tuple[str, str]]]] = {
    "Restore Started": _started,
    "Phase Changed": _goes_on,
    "Restore Refused": _refused,
    "Swap Succeeded": _exchanged,
    "Swap Failed": _exchanged,
    "Cleanup Incomplete": _left_behind,
    "Objective Missed": _missed,
}
