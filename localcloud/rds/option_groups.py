"""Option groups of SQL Server instances, with the option that lets RDS restore native backups.

| moto 5.2.5 | fixed to |
|---|---|
| no option group for SQL Server 2022 and 2025 | accepted like the older versions |
| any OptionGroupName accepted by ModifyDBInstance | unknown: `OptionGroupNotFoundFault` |
| a membership always `in-sync` | after ModifyDBInstance or ModifyOptionGroup as below |

With ApplyImmediately the group is `pending-apply`, beside the one that was left, `pending-removal`, for a (scaled) while; otherwise they
wait for a maintenance window that never comes: `pending-maintenance-apply`, `pending-maintenance-removal`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.rds.exceptions import OptionGroupNotFoundFaultError
from moto.rds.models import DBInstance, RDSBackend
from moto.rds.responses import RDSResponse

from localcloud.base import clock
from localcloud.base.corrections import fix
from localcloud.sqlserver.instance import OptionState

OPTION = "SQLSERVER_BACKUP_RESTORE"
ROLE = "IAM_ROLE_ARN"
# Seconds on AWS until a changed option without restart is in effect (assumed).
OPTION_CHANGE = 30.0

_CHANGE = "dbrestore_option_change"
_NEWER, _NEWEST_OF_MOTO = ("16.00", "17.00"), "15.00"


@dataclass(frozen=True)
class _Change:
    """The group that was left ("" if only its options changed), and when the new one is in effect: None waits for maintenance."""

    left: str
    done: datetime | None


def install() -> None:
    """Fix moto's option groups."""
    fix(RDSBackend, "create_option_group", _create)
    fix(RDSResponse, "modify_option_group", _modify)
    fix(DBInstance, "option_group_memberships", _memberships)


def require_known(backend: Any, name: str | None) -> None:
    """Raises OptionGroupNotFoundFault."""
    if name and name not in backend.option_groups:
        raise OptionGroupNotFoundFaultError(name)


def note_modification(instance: Any, group_before: str, *, immediately: bool) -> None:
    """The instance was modified; its group may have been exchanged. ApplyImmediately also applies what waits for maintenance."""
    waiting = _change(instance)
    if instance.option_group_name != group_before:
        _begin(instance, group_before, immediately=immediately)
    elif immediately and waiting and waiting.done is None:
        _begin(instance, waiting.left, immediately=True)


def backup_role(instance: Any) -> str:
    """The role with which RDS reads backups; "" without the option."""
    settings = _settings(instance, _in_effect(instance)) or []
    return next((str(one["Value"]) for one in settings if one["Name"] == ROLE), "")


def state(instance: Any) -> OptionState:
    """Of the option SQLSERVER_BACKUP_RESTORE, as the procedures on the server see it."""
    if _settings(instance, _in_effect(instance)) is None:
        return "missing"
    return "applying" if _is_under_way(instance) else "in-sync"


def _create(original: Callable[..., Any], backend: Any, keywords: dict[str, Any]) -> Any:
    version = keywords["major_engine_version"]
    if not (version in _NEWER and keywords["engine_name"].startswith("sqlserver-")):
        return original(backend, keywords)
    group = original(backend, {**keywords, "major_engine_version": _NEWEST_OF_MOTO})
    group.major_engine_version = version
    return group


def _modify(original: Callable[..., Any], response: Any) -> Any:
    answer = original(response)
    group = response.params["OptionGroupName"].lower()
    for instance in response.backend.databases.values():
        if instance.option_group_name.lower() == group:
            _begin(instance, "", immediately=bool(response.params.get("ApplyImmediately")))
    return answer


def _begin(instance: Any, left: str, *, immediately: bool) -> None:
    done = clock.now() + timedelta(seconds=OPTION_CHANGE) if immediately else None
    vars(instance)[_CHANGE] = _Change(left, done)


def _memberships(_original: Callable[..., Any], instance: Any) -> list[dict[str, str]]:
    change = _change(instance)
    if change is None:
        return [{"OptionGroupName": instance.option_group_name, "Status": "in-sync"}]
    when = "maintenance-" if change.done is None else ""
    listed = [{"OptionGroupName": instance.option_group_name, "Status": f"pending-{when}apply"}]
    if change.left:
        listed.append({"OptionGroupName": change.left, "Status": f"pending-{when}removal"})
    return listed


def _change(instance: Any) -> _Change | None:
    change: _Change | None = vars(instance).get(_CHANGE)
    is_done = change is not None and change.done is not None and clock.now() >= change.done
    return None if is_done else change


def _is_under_way(instance: Any) -> bool:
    change = _change(instance)
    return change is not None and not (change.done is None and change.left)


def _in_effect(instance: Any) -> str:
    """Until the maintenance window an exchanged group has no effect."""
    change = _change(instance)
    return change.left if change and change.done is None and change.left else str(instance.option_group_name)


def _settings(instance: Any, group: str) -> list[dict[str, Any]] | None:
    known = instance.backend.option_groups.get(group)
    options = {one["OptionName"]: one["OptionSettings"] for one in known.options} if known else {}
    return options.get(OPTION)
