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

from botocore.exceptions import ClientError

from lambdas.archive_files import FoundFile
from lambdas.aws import ControlAccount, error_code
from lambdas.ledger import Ledger
from lambdas.table import ConditionFailed, Table

AWAITED = "AWAITED"
ARRIVAL = "ARRIVAL#"
# The execution went on, or was ended, without it.
TOO_LATE = {"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"}


def awaited(ledger: Ledger) -> str | None:
    """The key that the restore waits for, if it does."""
    item = ledger.table.get(ledger.restore_id, AWAITED)
    return str(item["key"]) if item else None


def choose(ledger: Ledger, missing: Sequence[FoundFile]) -> str:
    """One of them, the same whenever the same ones are missing."""
    number = int(sha256(f"{ledger.restore_id}/{len(missing)}".encode()).hexdigest(), 16)
    return missing[number % len(missing)].key


def wait_for(ledger: Ledger, key: str, token: str) -> None:
    """From now on the arrival of this file wakes the task with this token, and that of no other does."""
    while True:
        try:
            return _change(ledger, awaited(ledger), key, token)
        except ConditionFailed:
            # Another invocation for the same execution came between; whose token stays doesn't matter, the slow look comes to both.
            continue


def _change(ledger: Ledger, before: str | None, key: str, token: str) -> None:
    table = ledger.table
    unchanged = "#key = :before" if before else "attribute_not_exists(pk)"
    known = {"before": before} if before else {}
    others = [table.delete(ARRIVAL + before, ledger.restore_id)] if before and before != key else []
    table.write(
        table.put({"pk": ledger.restore_id, "sk": AWAITED, "key": key}, unchanged, **known),
        table.put({"pk": ARRIVAL + key, "sk": ledger.restore_id, "token": token}),
        *others,
    )


def end(ledger: Ledger) -> None:
    """Nothing is waited for any more."""
    if before := awaited(ledger):
        table = ledger.table
        table.write(table.delete(ledger.restore_id, AWAITED), table.delete(ARRIVAL + before, ledger.restore_id))


def wake(control: ControlAccount, table: Table, key: str) -> int:
    """Wake who waits for this file; how many there were. A token serves once: a repeated event finds none."""
    return sum(
        _wake_one(control, table, str(item["pk"]), str(item["sk"]), str(item["token"]))
        for item in table.query(ARRIVAL + key)
    )


def _wake_one(control: ControlAccount, table: Table, pk: str, restore_id: str, token: str) -> bool:
    try:
        table.write(table.delete(pk, restore_id, "token = :token", token=token))
    except ConditionFailed:
        return False
    try:
        control.stepfunctions.send_task_failure(
            taskToken=token, error="NotReady", cause="S3 says that a file has arrived"
        )
    except ClientError as error:
        if error_code(error) not in TOO_LATE:
            raise
        return False
    return True
