"""Everything that a run made, removed in the reverse order, from its diary alone.

Restores come first: what still runs is stopped and cleaned up by the product, because afterwards nobody is there who could.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from acceptance import restores, waiting
from acceptance.account import TriedAccount
from acceptance.diary import Diary, Made
from acceptance.made import buckets, instances, native_source, network, roles, stacks
from acceptance.made.kinds import Kind
from dbrestore.cli import control
from dbrestore.cli.control import ControlPlane
from dbrestore.contract.errors import ControlPlaneNotFound
from dbrestore.ledger import reading

KINDS: Mapping[str, Kind] = {**buckets.KINDS, **stacks.KINDS, **network.KINDS, **roles.KINDS, **instances.KINDS, **native_source.KINDS}
# What takes long to end and needs none of the others is told to end first.
AHEAD = (instances.DB_INSTANCE, instances.SNAPSHOT)


def remove(account: TriedAccount, diary: Diary, kinds: Mapping[str, Kind] = KINDS) -> tuple[str, ...]:
    """What is left, each with the reason; nothing, if all is well."""
    left = _close_restores(account)
    unsettled = [thing for thing in reversed(diary.things) if thing.removed_at is None]
    for thing in unsettled:
        if thing.kind in AHEAD:
            with suppress(ClientError, BotoCoreError):
                kinds[thing.kind].remove(account, thing.name)
    for thing in unsettled:
        if trouble := _gone(account, kinds[thing.kind], thing):
            left.append(f"{thing.kind} {thing.name}: {trouble}")
        else:
            diary.removed(thing)
    return tuple(left)


def _gone(account: TriedAccount, kind: Kind, thing: Made) -> str | None:
    """None once it is gone, otherwise why it isn't."""

    def look() -> bool:
        if kind.exists(account, thing.name):
            kind.remove(account, thing.name)
        return not kind.exists(account, thing.name)

    try:
        waiting.until(look, kind.minutes, "gone")
    except waiting.TookTooLong:
        return f"still there after {kind.minutes:g} minutes"
    except Exception as error:  # whatever it is, the other things must go
        return f"{type(error).__name__}: {error}"
    return None


def _close_restores(account: TriedAccount) -> list[str]:
    """Ids of restores that couldn't be closed, with the reason."""
    try:
        plane = control.find(account)
        _stop(plane.executions, plane)
        waiting.until(lambda: not list(reading.open_restores(plane.ledger)), restores.CLEANED_WITHIN, "all restores are closed")
    except ControlPlaneNotFound:
        return []
    except (waiting.TookTooLong, ClientError, BotoCoreError) as error:
        return [f"restores: {error}"]
    return []


def _stop(executions: Any, plane: ControlPlane) -> None:
    for page in executions.get_paginator("list_executions").paginate(stateMachineArn=plane.state_machine_arn, statusFilter="RUNNING"):
        for execution in page["executions"]:
            # The sweeper's own clean-ups go on: they end by themselves.
            if not execution["name"].startswith("clean-up"):
                executions.stop_execution(executionArn=execution["executionArn"], error="Acceptance", cause="the run is being removed")
