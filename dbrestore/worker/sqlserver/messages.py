"""From what RDS's task or SQL Server said to the error that a person gets: a name, their own words, and what to do.

Invariant: which row of the table meets a text depends on the text alone, never on the order of the rows: the one whose words come first in
it, the longer one if two begin together.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Final, Protocol

from dbrestore.contract.errors import RestoreError, RestoreFailed
from dbrestore.contract.sqlserver_errors import AutomatedBackupRunning, NativeTaskCancelled, NativeTaskFailed
from dbrestore.worker.base import limits
from dbrestore.worker.sqlserver.meanings import MEANINGS, Meaning

_ENTRY: Final = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\]")
_UNKNOWN_ADVICE: Final = "the SQL Server error log of the instance may say more"

# What stands in the log of a task that goes well too, and the engine's closing words after an error.
_BOILERPLATE: Final = re.compile(
    r"task (execution has started|has been created|has been requested to cancel)\.?"
    r"|\d+ percent processed\.?"
    r"|.*completed processing \d+ ?% of s3 chunks\.?"
    r"|.*will initiate a multi-file task with .*"
    r"|(s3 processing|command execution) completed successfully\.?"
    r"|processed \d+ pages (for database|in ).*"
    r"|this backup set contains records that were logged before the designated point in time.*"
    r"|(restore|backup) \w+ is terminating abnormally\.?",
    re.IGNORECASE,
)


class EndedTask(Protocol):
    """What must be known of a task that did not end in SUCCESS: columns of rds_task_status."""

    @property
    def task_id(self) -> int: ...
    @property
    def task_type(self) -> str: ...
    @property
    def database_name(self) -> str: ...
    @property
    def lifecycle(self) -> str: ...
    @property
    def task_info(self) -> str: ...


def error_of_task(task: EndedTask) -> RestoreError:
    """What the task's end means. A cancelled one is NativeTaskCancelled unless RDS's own backup did it, an unknown cause
    NativeTaskFailed."""
    words = cause(task.task_info)
    meaning = meaning_of(words)
    kind, advice = (meaning.error, meaning.advice) if meaning else (NativeTaskFailed, _UNKNOWN_ADVICE)
    if task.lifecycle == "CANCELLED" and kind is not AutomatedBackupRunning:
        kind, advice = NativeTaskCancelled, "restore again when whoever cancelled it agrees"
    said = words or f"it ended as {task.lifecycle} without a reason"
    return kind(_sentence(f"{task.database_name}: RDS's task {task.task_id} ({task.task_type})", said, advice))


def error_of_engine(number: int, message: str) -> RestoreError:
    """What an error of SQL Server outside a task means; RestoreFailed for an unknown one."""
    words = _on_one_line(message)
    meaning = _by_number().get(number) or meaning_of(words)
    kind, advice = (meaning.error, meaning.advice) if meaning else (RestoreFailed, _UNKNOWN_ADVICE)
    return kind(_sentence(f"SQL Server error {number}", words, advice))


def split_entries(task_info: str) -> list[str]:
    """The entries of a task's log without their times, oldest first."""
    return [entry for part in _ENTRY.split(task_info) if (entry := _on_one_line(part))]


def cause(task_info: str) -> str:
    """The entry that says why the task failed: the last one with a known meaning, otherwise the last that isn't boilerplate. What RDS
    writes beside any cause, in the same entry or in one of its own, is a cause only if there is no other. Empty if there is none."""
    entries = [entry for entry in split_entries(task_info) if not _BOILERPLATE.fullmatch(entry)]
    specific = [entry for entry in map(_without_weak, entries) if entry and not _BOILERPLATE.fullmatch(entry)]
    known = [entry for entry in specific if meaning_of(entry)]
    return (known or specific or sorted(entries, key=_weakness)[:1] or [""])[-1]


def meaning_of(words: str, meanings: Sequence[Meaning] = MEANINGS) -> Meaning | None:
    """The row that meets the text; None if none does. A text without known words may quote the engine's number: `Msg 3241`, `(3241)`."""
    met = [(found.start(), -len(row.text), row) for row in meanings if (found := _pattern(row.text).search(words))]
    if met:
        return min(met, key=lambda one: one[:2])[2]
    quoted = re.findall(r"(?:\bMsg |\bError:? |\()(\d{3,5})\b", words)
    return next((row for number in quoted for row in meanings if int(number) in row.numbers), None)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*?".join(re.escape(part) for part in text.split("…")), re.IGNORECASE)


@cache
def _by_number() -> dict[int, Meaning]:
    return {number: row for row in MEANINGS for number in row.numbers}


def _without_weak(entry: str) -> str:
    for row in MEANINGS:
        if row.weak:
            entry = _pattern(row.text).sub("", entry)
    return entry.strip(" .")


def _weakness(entry: str) -> int:
    row = meaning_of(entry)
    return row.weak if row else 0


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def _sentence(who: str, words: str, advice: str) -> str:
    room = limits.MESSAGE_LENGTH - len(who) - len(advice) - len(": ; ")
    shown = words.rstrip(" .")
    return f"{who}: {shown if len(shown) <= room else shown[: room - 1] + '…'}; {advice}"


def page() -> str:
    """The table as Markdown, by error name."""
    rows = sorted(MEANINGS, key=lambda row: (row.error.__name__, row.text))
    return "\n".join(
        [
            "# What a failed restore task means",
            "",
            "Generated from `dbrestore/worker/sqlserver/meanings.py` by `make docs`. `…` stands for any words. A *documented* text",
            "stands in AWS's documentation, an *observed* one was quoted in public by people who met it, an *assumed* one has not been",
            "seen in a task.",
            f"Any other text becomes `{NativeTaskFailed.__name__}`, with RDS's own words.",
            "",
            "| RDS or SQL Server says | number | error | what to do | mark | source |",
            "|---|---|---|---|---|---|",
            *(_markdown(row) for row in rows),
            "",
        ]
    )


def _markdown(row: Meaning) -> str:
    numbers = ", ".join(map(str, row.numbers))
    text = row.text.replace("|", "&#124;")
    return f"| `{text}` | {numbers} | `{row.error.__name__}` | {row.advice} | {row.mark} | {row.source} |"
