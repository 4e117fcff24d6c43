"""What the procedures of RDS take: the names of their parameters, and what is given for them as Python's values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from localcloud.sqlserver.texts import text
from localcloud.tds.engine import Value

Arguments = Mapping[str, Value]


@dataclass(frozen=True)
class Call:
    """A procedure by its last name; arguments by position, then by name (lower case, without @)."""

    procedure: str
    positional: tuple[Value, ...]
    named: Mapping[str, Value]


_OPTIONS: Final = ("block_size", "max_transfer_size", "buffer_count")
# In the order of the documentation; the first so many are required.
PARAMETERS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "rds_restore_database": (
        2,
        (
            "restore_db_name",
            "s3_arn_to_restore_from",
            "with_norecovery",
            "keep_cdc",
            "data_file_volume",
            "log_file_volume",
            "kms_master_key_arn",
            *_OPTIONS,
            "type",
        ),
    ),
    "rds_restore_log": (
        2,
        (
            "restore_db_name",
            "s3_arn_to_restore_from",
            "kms_master_key_arn",
            "with_norecovery",
            "keep_cdc",
            "stopat",
            *_OPTIONS,
        ),
    ),
    "rds_finish_restore": (1, ("db_name",)),
    "rds_cancel_task": (1, ("task_id",)),
    "rds_drop_database": (1, ("db_name",)),
    "rds_task_status": (0, ("db_name", "task_id")),
    "rds_modify_db_name": (2, ("old_name", "new_name")),
    "sp_delete_database_backuphistory": (1, ("database_name",)),
}


def bound(call: Call) -> dict[str, Value]:
    """By the parameters' names. Raises SqlError 8144, 8145 and 201 for what doesn't fit them."""
    required, names = PARAMETERS[call.procedure]
    if len(call.positional) > len(names):
        raise text("too-many-arguments").error(procedure=call.procedure)
    if unknown := sorted(set(call.named) - set(names)):
        raise text("unknown-parameter").error(parameter=f"@{unknown[0]}", procedure=call.procedure)
    given = {**dict(zip(names, call.positional, strict=False)), **call.named}
    for name in names[:required]:
        if given.get(name) is None:
            raise text("parameter-missing").error(procedure=call.procedure, parameter=f"@{name}")
    return given


def flag(given: Value) -> bool:
    """A bit, in whatever type the client sent it. Raises SqlError 8114."""
    return bool(number(given))


def number(given: Value) -> int | None:
    """An int. Raises SqlError 8114."""
    if given is None:
        return None
    try:
        return int(given)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise text("not-convertible").error(type="int") from error


def moment(given: Value) -> datetime | None:
    """A datetime. Raises SqlError 8114."""
    if given is None or isinstance(given, datetime):
        return given
    try:
        return datetime.fromisoformat(str(given))
    except ValueError as error:
        raise text("not-convertible").error(type="datetime") from error
