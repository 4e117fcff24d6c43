"""The definition as a text: what moto would only find at run time, or not at all."""

import json
import re
from collections.abc import Iterator
from typing import Any

from dbrestore.contract import limits, pauses
from dbrestore.contract.error_names import ERRORS
from infrastructure.functions import FUNCTIONS
from tests.statemachine.world import DEFINITION, handlers

TEXT = DEFINITION.read_text()
MACHINE = json.loads(TEXT)
# Those that no state calls: events do, or the dbrestore command.
STATES = {f.state for f in FUNCTIONS if not (f.hears_events or f.answers_commands or f.answers_api)}
REMOVERS = ["DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "RemoveCopies", "CloseRestore"]


def levels(machine: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The machine, every branch in it and what is done with the items of a list."""
    yield machine
    for state in machine["States"].values():
        for branch in state.get("Branches", []):
            yield from levels(branch)
        if "ItemProcessor" in state:
            yield from levels(state["ItemProcessor"])


def states() -> Iterator[tuple[str, dict[str, Any]]]:
    for level in levels(MACHINE):
        yield from level["States"].items()


def test_every_placeholder_has_a_function_and_every_function_of_a_state_a_placeholder() -> None:
    placeholders = re.findall(r"\$\{(\w+)\}", TEXT)

    assert sorted(placeholders) == sorted(STATES)
    assert set(placeholders) <= set(handlers())


def test_a_task_calls_the_function_of_its_own_name() -> None:
    tasks = {name: state for name, state in states() if state["Type"] == "Task"}

    called = {name: state.get("Parameters", {}).get("FunctionName", state["Resource"]) for name, state in tasks.items()}

    assert called == {name: f"${{{name}}}" for name in STATES}


def test_a_task_that_waits_for_its_token_looks_again_after_a_while() -> None:
    waiting = {name: state for name, state in states() if state.get("Resource", "").endswith(".waitForTaskToken")}

    assert set(waiting) == {"AwaitApproval", "RetrieveArchive"}
    for state in waiting.values():
        # An event may be lost: between a quarter of an hour and half an hour, so that two days of it fit into the history.
        assert 900 <= state["TimeoutSeconds"] <= 1800
        again = next(retry for retry in state["Retry"] if retry["ErrorEquals"] == ["States.Timeout"])
        assert again["MaxAttempts"] * state["TimeoutSeconds"] > 10 * 24 * 3600


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
    assert [(c["ErrorEquals"], c["Next"], c["ResultPath"]) for c in block["Catch"]] == [(["States.ALL"], REMOVERS[0], "$.failure")]


def test_a_remover_that_fails_leads_to_the_next_remover() -> None:
    # Of most restores it is known that there are no copies.
    following = [*("MayCopiesRemain" if name == "RemoveCopies" else name for name in REMOVERS[1:]), "HowDidItEnd"]
    for name, then in zip(REMOVERS, following, strict=True):
        state = MACHINE["States"][name]
        last = state["Catch"][-1]
        assert state["Next"] == then
        assert (last["ErrorEquals"], last["Next"]) == (["States.ALL"], then)
        assert last["ResultPath"].startswith("$.leftovers.")


def test_copies_are_looked_for_unless_the_plan_says_that_there_are_none() -> None:
    question = MACHINE["States"]["MayCopiesRemain"]

    # A clean-up by itself knows no plan, and a plan of another version has no such key.
    [rule] = question["Choices"]
    assert rule["And"] == [
        {"Variable": "$.plan.copies", "IsPresent": True},
        {"Variable": "$.plan.copies", "BooleanEquals": False},
    ]
    assert (rule["Next"], question["Default"]) == ("CloseRestore", "RemoveCopies")


def test_the_copying_ends_before_s3_aborts_what_is_half_copied() -> None:
    longest = pauses.COPYING.looks_at_most * (limits.COPYING_SECONDS + pauses.COPYING.longest)

    assert longest < limits.ABANDONED_AFTER_HOURS * 3600


def test_states_that_make_things_are_inside_the_try_block() -> None:
    outside = {name for name, state in MACHINE["States"].items() if state["Type"] == "Task"}

    assert outside == {"PlanRestore", *REMOVERS}


def test_no_retry_of_an_unknown_error_outside_the_removers() -> None:
    for name, state in states():
        if state["Type"] == "Task" and name not in REMOVERS:
            retried = [error for retry in state["Retry"] for error in retry["ErrorEquals"]]
            assert "States.ALL" not in retried, name
            assert retried[0] == "NotReady", name


def error_names() -> Iterator[tuple[str, str]]:
    """Each state and each error that it retries, catches or ends with."""
    for name, state in states():
        for rule in [*state.get("Retry", []), *state.get("Catch", [])]:
            yield from ((name, error) for error in rule["ErrorEquals"])
        if "Error" in state:
            yield name, state["Error"]


def test_every_error_of_ours_that_the_definition_names_is_one_that_may_be_raised() -> None:
    # Step Functions compares names, not classes: a group's name would match nothing.
    # Sandbox.Timedout and Runtime.ExitError are Lambda's, for functions that ran out of time and died.
    unknown = {
        (state, error)
        for state, error in error_names()
        if error not in ERRORS and not error.startswith(("States.", "Lambda.", "Sandbox.", "Runtime."))
    }

    assert unknown == set()
    assert {error for _, error in error_names()} >= {
        "NotReady",
        "BackupArchived",
        "InternalContradiction",
        "States.ALL",
    }


def test_no_machine_level_timeout() -> None:
    # It would end the execution without any Catch, and a restore may wait two days for an archive.
    assert "TimeoutSeconds" not in MACHINE
