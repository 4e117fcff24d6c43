"""The kinds of things that a restore makes, as the ledger and the report name them, and the names that more than one room derives."""

from typing import Literal

from dbrestore.contract import names

INSTANCE = "instance"
SECURITY_GROUP = "security-group"
SECURITY_GROUP_RULE = "security-group-rule"
GROUP_LIST_ENTRY = "group-list-entry"
BUCKET = "bucket"
STAGED_OBJECTS = "staged-objects"
DUMP_COPIES = "dump-copies"
DATABASE = "database"
LOGIN_ROLE = "role"
HOLDER_ROLE = "role"
NATIVE_TASK = "native-task"
SWAP = "swap"

GroupRole = Literal["worker", "database"]
Way = Literal["ingress", "egress"]
# Which way the rule of each group of the pair points.
WAY: dict[GroupRole, Way] = {"worker": "egress", "database": "ingress"}


def rule_name(restore_id: str, role: GroupRole, port: int | None) -> str:
    """The name of a group's one rule in the ledger."""
    return f"{names.resource_name(restore_id, role)} {WAY[role]} tcp/{port}"


def group_list_entry(restore_id: str) -> str:
    """The name, in the ledger, of our group's entry in the instance's list of groups."""
    return names.resource_name(restore_id, "database")
