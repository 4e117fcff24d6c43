"""The definition as a text: what moto would only find at run time, or not at all."""

import json
import re
from collections.abc import Iterator
from typing import Any

from infrastructure.functions import FUNCTIONS
from tests.statemachine.world import DEFINITION, handlers

TEXT = DEFINITION.read_text()
MACHINE = json.loads(TEXT)
REMOVERS = ["DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "CloseRestore"]


def levels(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine and every branch in it."""
    yield machine
    for state in machine["States"].values():
        for branch in state.get("Branches", []):
            yield from levels(branch)


def states() -> Iterator[tuple[str, dict[str, Any]]]:
    for level in levels(MACHINE):
        yield from level["States"].items()


def test_every_placeholder_has_a_function_and_every_function_of_a_state_a_placeholder() -> None:
    placeholders = re.findall(r"\$\{(\w+)\}", TEXT)

    assert sorted(placeholders) == sorted(f.state for f in FUNCTIONS if f.state != "SweepLedger")
    assert set(placeholders) <= set(handlers())


def test_a_task_calls_the_function_of_its_own_name() -> None:
    tasks = {name: state["Resource"] for name, state in states() if state["Type"] == "Task"}

    assert tasks == {name: f"${{{name}}}" for name in tasks}
    assert len(tasks) == len(FUNCTIONS) - 1


def test_state_names_are_unique_over_all_branches() -> None:
    names = [name for name, _ in states()]

    assert len(names) == len(set(names))


def test_every_transition_leads_to_a_state_of_the_same_level() -> None:
    for level in levels(MACHINE):
        known = set(level["States"])
        assert level["StartAt"] in known
        for name, state in level["States"].items():
            ways = [state.get("Next"), state.get("Default")]
            ways += [choice["Next"] for choice in state.get("Choices", [])]
            ways += [catch["Next"] for catch in state.get("Catch", [])]
            assert {way for way in ways if way} <= known, name


def test_every_choice_has_a_default() -> None:
    # Without one an unforeseen value breaks the execution where no Catch sees it, and no remover runs.
    assert [name for name, state in states() if state["Type"] == "Choice" and "Default" not in state] == []


def test_the_try_block_leads_to_the_first_remover_however_it_ends() -> None:
    block = MACHINE["States"]["Restore"]

    assert block["Next"] == REMOVERS[0]
    assert [(c["ErrorEquals"], c["Next"], c["ResultPath"]) for c in block["Catch"]] == [
        (["States.ALL"], REMOVERS[0], "$.failure")
    ]


def test_a_remover_that_fails_leads_to_the_next_remover() -> None:
    following = [*REMOVERS[1:], "HowDidItEnd"]
    for name, then in zip(REMOVERS, following, strict=True):
        state = MACHINE["States"][name]
        last = state["Catch"][-1]
        assert state["Next"] == then
        assert (last["ErrorEquals"], last["Next"]) == (["States.ALL"], then)
        assert last["ResultPath"].startswith("$.leftovers.")


def test_states_that_make_things_are_inside_the_try_block() -> None:
    outside = {name for name, state in MACHINE["States"].items() if state["Type"] == "Task"}

    assert outside == {"PlanRestore", *REMOVERS}


def test_no_retry_of_an_unknown_error_outside_the_removers() -> None:
    for name, state in states():
        if state["Type"] == "Task" and name not in REMOVERS:
            retried = [error for retry in state["Retry"] for error in retry["ErrorEquals"]]
            assert "States.ALL" not in retried, name
            assert retried[0] == "NotReady", name


def test_no_machine_level_timeout() -> None:
    # It would end the execution without any Catch, and a restore may wait two days for an archive.
    assert "TimeoutSeconds" not in MACHINE
