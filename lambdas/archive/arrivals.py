"""Who waits for which file: S3's event of the file's arrival wakes the execution.

One file per restore is waited for, any of those that are not there yet: the event of each of fifty thousand would otherwise wake the
execution fifty thousand times. When it is there, another one is chosen among what is still missing, so the wakings are about as many as
the logarithm of the files. An event only wakes: it proves nothing, may be lost, early or repeated, and a slow look at S3 comes anyway.

    pk                   sk             what
    <restore id>         AWAITED        the key that this restore waits for now
    ARRIVAL#<key>        <restore id>   the token with which to wake it
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from dbrestore.ledger.table import ConditionFailed, Item, Table
from lambdas.runtime import task_tokens
from lambdas.runtime.ledger import Ledger

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    # HearRetrieval starts without what looks at files.
    from lambdas.archive.files import FoundFile

AWAITED = "AWAITED"
ARRIVAL = "ARRIVAL#"


def awaited(ledger: Ledger) -> str | None:
    """The key that the restore waits for, if it does."""
    item = ledger.table.get(ledger.restore_id, AWAITED)
    return str(item["key"]) if item and "key" in item else None


def choose(ledger: Ledger, missing: "Sequence[FoundFile]") -> str:
    """One of them, the same whenever the same ones are missing."""
    number = int(sha256(f"{ledger.restore_id}/{len(missing)}".encode()).hexdigest(), 16)
    return missing[number % len(missing)].key


def wait_for(ledger: Ledger, key: str, token: str) -> None:
    """From now on the arrival of this file wakes the task with this token, and that of no other does. Raises RestoreClosed,
    RestoreCancelled."""
    while not _change(ledger, awaited(ledger), key, token):
        # Another invocation for the same execution came between; whose token stays doesn't matter, the slow look comes to both.
        continue
    # Who cancels looks for the token after saying so: if it was not there yet, this finds what was said.
    ledger.require("RUNNING")


def _change(ledger: Ledger, before: str | None, key: str, token: str) -> bool:
    """False if another key is waited for by now. Never after the restore's end, which took everything that waits out of the ledger."""
    table = ledger.table
    unchanged = "#key = :before" if before else "attribute_not_exists(pk)"
    known = {"before": before} if before else {}
    others = [table.delete(ARRIVAL + before, ledger.restore_id)] if before and before != key else []
    try:
        table.write(
            ledger.while_status("RUNNING"),
            table.put({"pk": ledger.restore_id, "sk": AWAITED, "key": key}, unchanged, **known),
            table.put({"pk": ARRIVAL + key, "sk": ledger.restore_id, "token": token}),
            *others,
        )
    except ConditionFailed:
        ledger.require("RUNNING")
        return False
    return True


def end(ledger: Ledger) -> None:
    """Nothing is waited for any more."""
    table = ledger.table
    while before := awaited(ledger):
        try:
            table.write(
                table.delete(ledger.restore_id, AWAITED, "#key = :before", before=before),
                table.delete(ARRIVAL + before, ledger.restore_id),
            )
        except ConditionFailed:
            # Another invocation waits for another key by now, and the row of that one goes too.
            continue


def wake(stepfunctions: "SFNClient", table: Table, key: str) -> int:
    """Wake who waits for this file; how many there were. A token serves once: a repeated event finds none."""
    # There are as many events as files. One who began to wait within this second may be missed: then the slow look finds the file.
    waiting = table.query(ARRIVAL + key, consistent=False)
    return sum(_wake(stepfunctions, table, item, "S3 says that a file has arrived") for item in waiting)


def wake_restore(stepfunctions: "SFNClient", ledger: Ledger) -> bool:
    """Have a restore look at once, as when it was asked to stop; whether it was waiting."""
    key = awaited(ledger)
    item = ledger.table.get(ARRIVAL + key, ledger.restore_id) if key else None
    return _wake(stepfunctions, ledger.table, item, "somebody has it look") if item else False


def _wake(stepfunctions: "SFNClient", table: Table, item: Item, cause: str) -> bool:
    token = str(item["token"])
    try:
        table.write(table.delete(str(item["pk"]), str(item["sk"]), "#token = :token", token=token))
    except ConditionFailed:
        return False
    return task_tokens.wake(stepfunctions, token, cause)
