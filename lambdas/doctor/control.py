"""The control account's own parts: code, functions, state machine, ledger, rules, and restores that nobody works on any more."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbrestore.contract import limits
from dbrestore.contract.anchor import VERSION
from dbrestore.contract.deployed import versions as doctor_versions
from dbrestore.contract.errors import LedgerRowUnreadable
from dbrestore.contract.questions.examination import Expected
from dbrestore.contract.refusals import error_code
from dbrestore.ledger.anchor_reading import DERIVED
from dbrestore.ledger.reading import open_restores
from dbrestore.ledger.stored_rows import Meta
from lambdas.doctor.findings import BACK_TO_TEMPLATE, Check, Outcome, doubtful, fine, unseen, wrong
from lambdas.doctor.sides import STATE, ControlSide
from lambdas.runtime.ledger import Ledger
from lambdas.runtime.open_restores import open_meta

DEPLOY = "deploy the ControlStack of this version again"
USE_ONE_VERSION = f"{DEPLOY}, or use the command of the deployed version"
RECOVERY = "aws dynamodb update-continuous-backups --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
ASK_WITH_FINGERPRINTS = "ask with a dbrestore command that was installed from a source checkout, or from a wheel that was built there"
NOT_TOLD = "the caller did not say which version it is"


def code(control: ControlSide) -> Iterator[Outcome]:
    """The deployed code against the asking command's."""
    expected, own = control.question.expected, doctor_versions.of_code()
    if expected.code is None:
        sentence, fix = _unknown(expected)
        yield unseen(sentence, fix=fix)
    elif own == expected.code:
        yield fine(f"is of this command's version, {doctor_versions.NUMBER}")
    else:
        asking = f"{expected.version or 'of another version'} (code {expected.code[:12]})"
        yield wrong(f"is dbrestore {doctor_versions.NUMBER} (code {own[:12]}); this command is {asking}")


def incomparable(expected: Expected, fingerprint: str | None) -> tuple[str, str] | None:
    """Sentence and fix where the asking side's fingerprint of a part tells nothing about what is deployed; None if it does."""
    if fingerprint is None:
        return _unknown(expected)
    if expected.code not in (None, doctor_versions.of_code()):
        return "can't be compared: this command is of another version than the functions", USE_ONE_VERSION
    return None


def _unknown(expected: Expected) -> tuple[str, str]:
    if expected.why_unknown:
        return f"can't be compared: {expected.why_unknown}", ASK_WITH_FINGERPRINTS
    return NOT_TOLD, "ask with dbrestore doctor"


def functions(control: ControlSide) -> Iterator[Outcome]:
    """All functions that the definition calls, and those that are called by others."""
    own = control.lambdas.get_function_configuration(FunctionName=control.own_function)
    missing = 0
    arns = sorted(_called(control))
    for arn in arns:
        outcome = _function(control, arn, own["CodeSha256"])
        missing += outcome is not None
        yield from [outcome] if outcome else []
    if not missing:
        yield fine(f"{len(arns)} are there, active, and of one version")


def _called(control: ControlSide) -> set[str]:
    text = control.surroundings.control.stepfunctions.describe_state_machine(stateMachineArn=control.machine_arn)
    in_definition = re.findall(r"arn:[^:\"]+:lambda:[^:\"]+:\d+:function:[\w-]+", text["definition"])
    by_commands = (control.function_arn(STATE).replace(control.own_function, name) for name in control.question.functions)
    return {*in_definition, *by_commands, *(control.function_arn(rule.state) for rule in RULES)}


def _function(control: ControlSide, arn: str, code_sha256: str) -> Outcome | None:
    """What is wrong with one function, or None."""
    name = arn.rsplit(":", 1)[-1]
    client = control.lambdas
    try:
        found = client.get_function_configuration(FunctionName=arn)
    except client.exceptions.ResourceNotFoundException:
        return wrong("does not exist", name)
    if found["CodeSha256"] != code_sha256:
        return wrong(f"has different code from {control.own_function}", name)
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus", "Successful")
    if state not in ("Active", "Inactive") or update == "Failed":
        return wrong(f"is {state}, its last update {update}: {found.get('StateReason', 'no reason is given')}", name)
    return None


def definition(control: ControlSide) -> Iterator[Outcome]:
    """The state machine against the asking command's copy of the flow."""
    client = control.surroundings.control.stepfunctions
    try:
        machine = client.describe_state_machine(stateMachineArn=control.machine_arn)
    except client.exceptions.StateMachineDoesNotExist:
        yield wrong("does not exist", control.machine_arn)
        return
    expected = control.question.expected
    prefix = control.own_function.removesuffix(STATE)
    if machine.get("status", "ACTIVE") != "ACTIVE":
        yield wrong(f"is {machine['status']}", control.machine_arn)
    elif why := incomparable(expected, expected.definition):
        yield unseen(f"exists; {why[0]}", control.machine_arn, why[1])
    elif doctor_versions.of_definition(machine["definition"], prefix) == expected.definition:
        yield fine("runs the definition of this version", control.machine_arn)
    else:
        yield wrong("runs a different definition from this version's", control.machine_arn)


def ledger(control: ControlSide) -> Iterator[Outcome]:
    """The table itself."""
    name, client = control.surroundings.settings.ledger_table, control.surroundings.control.dynamodb
    try:
        status = client.describe_table(TableName=name)["Table"]["TableStatus"]
    except client.exceptions.ResourceNotFoundException:
        yield wrong(f"the table {name} does not exist: no restore can begin", name)
        return
    yield fine(f"is {status}", name) if status in ("ACTIVE", "UPDATING") else wrong(f"is {status}", name)


def ledger_recovery(control: ControlSide) -> Iterator[Outcome]:
    """Point-in-time recovery: the ledger alone knows what a restore has made."""
    name = control.surroundings.settings.ledger_table
    told = control.surroundings.control.dynamodb.describe_continuous_backups(TableName=name)
    recovery = told["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        yield fine("can be restored to any second", name)
    else:
        lack = "has no point-in-time recovery: if the ledger is lost, nothing knows what restores have made"
        yield wrong(lack, name, f"{RECOVERY} --table-name {name}")


def abandoned(control: ControlSide) -> Iterator[Outcome]:
    """Restores under OPEN whose execution no longer runs: the sweeper begins a clean-up for each within five minutes."""
    table = control.surroundings.table
    count = 0
    for restore_id in open_restores(table):
        count += 1
        try:
            meta = open_meta(Ledger(table, restore_id))
        except LedgerRowUnreadable as error:
            yield wrong(str(error), restore_id, "correct the named keys in the ledger's table")
            continue
        yield from _of_another_version(restore_id, meta)
        yield from filter(None, [_abandoned(control, restore_id, meta)])
    yield fine(f"{count} open; all but those listed above are making progress" if count else "none is open")


def _of_another_version(restore_id: str, meta: Meta) -> Iterator[Outcome]:
    """A row that this version did not write so. Clean-up works all the same."""
    if meta.plan_trouble:
        fix = "let it end, which cleans it up; then start it again"
        yield doubtful(str(meta.plan_trouble), restore_id, fix)
    if meta.anchor.schema_version not in (DERIVED, VERSION):
        told = f"its anchor is of version {meta.anchor.schema_version}, newer than this one's ({VERSION})"
        yield doubtful(f"{told}: what this version does not know of it is ignored", restore_id, "deploy the newer version")
    elif meta.anchor.schema_version == DERIVED:
        told = "its row has no anchor because an older version wrote it: clean-up uses its plan"
        yield doubtful(told, restore_id, "nothing, if it ends; the rows of newer restores have one")
    for flaw in meta.flaws:
        yield wrong(f"of its row this counts as unknown: {flaw}", restore_id, "correct it in the ledger's table")


def _abandoned(control: ControlSide, restore_id: str, meta: Meta) -> Outcome | None:
    client = control.surroundings.control.stepfunctions
    try:
        status: str = client.describe_execution(executionArn=meta.execution_arn)["status"]
    except client.exceptions.ExecutionDoesNotExist:
        status = "gone"
    if status == "RUNNING":
        return None
    told = f"its execution is {status} and it is not CLOSED"
    if meta.clean_ups < limits.CLEAN_UPS_AT_ONCE:
        return doubtful(f"{told}; the sweeper has begun {meta.clean_ups} clean-ups", restore_id)
    return wrong(f"{told} after {meta.clean_ups} clean-ups", restore_id)


@dataclass(frozen=True)
class ExpectedRule:
    """`state` is the function that the rule wakes; `fits` knows it by its pattern or its schedule. `lack` says what happens without it;
    `missing` makes an outcome of that."""

    purpose: str
    state: str
    fits: Callable[[Mapping[str, Any]], bool]
    lack: str
    missing: Callable[[str, str, str], Outcome] = wrong


def _ended(rule: Mapping[str, Any]) -> bool:
    pattern = json.loads(rule.get("EventPattern") or "{}")
    statuses = {"FAILED", "TIMED_OUT", "ABORTED"}
    return pattern.get("source") == ["aws.states"] and statuses <= set(pattern.get("detail", {}).get("status", []))


def _scheduled(rule: Mapping[str, Any]) -> bool:
    return bool(rule.get("ScheduleExpression"))


def _retrieved(rule: Mapping[str, Any]) -> bool:
    pattern = json.loads(rule.get("EventPattern") or "{}")
    return "Object Restore Completed" in pattern.get("detail-type", [])


RULES = (
    ExpectedRule("executions that ended", "SweepLedger", _ended, "a stopped restore is cleaned up five minutes later"),
    ExpectedRule("the look every five minutes", "SweepLedger", _scheduled, "what everything else missed is left behind"),
    ExpectedRule(
        "retrieved archives",
        "HearRetrieval",
        _retrieved,
        "a retrieved archive is noticed half an hour later",
        doubtful,
    ),
)


def rules(control: ControlSide) -> Iterator[Outcome]:
    """The rules that wake functions, found by whom they wake: their own names are the stack's."""
    for expected in RULES:
        arn = control.function_arn(expected.state)
        found = [rule for rule in _rules_of(control, arn) if expected.fits(rule)]
        told = f"{expected.purpose} -> {expected.state}"
        if not found:
            yield expected.missing(f"there is no such rule: {expected.lack}", told, "")
        elif not any(rule.get("State") == "ENABLED" for rule in found):
            name = found[0]["Name"]
            sentence = f"the rule {name} is disabled: {expected.lack}"
            yield expected.missing(sentence, told, f"aws events enable-rule --name {name}")
        else:
            yield fine(f"the rule {found[0]['Name']} is enabled", told)


def _rules_of(control: ControlSide, arn: str) -> list[Mapping[str, Any]]:
    client = control.surroundings.control.events
    try:
        listed = client.list_rule_names_by_target(TargetArn=arn)["RuleNames"]
    except client.exceptions.ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        listed = []
    return [client.describe_rule(Name=name) for name in listed]


CHECKS: tuple[Check[ControlSide], ...] = (
    Check("code", "the functions' code", USE_ONE_VERSION, code),
    Check("functions", "the functions", BACK_TO_TEMPLATE, functions),
    Check("definition", "the state machine", BACK_TO_TEMPLATE, definition),
    Check("rules", "the rules that wake the control plane", BACK_TO_TEMPLATE, rules),
    Check("ledger", "the ledger", BACK_TO_TEMPLATE, ledger, is_vital=True),
    Check("ledger-recovery", "the ledger's point-in-time recovery", BACK_TO_TEMPLATE, ledger_recovery),
    Check(
        "open-restores",
        "open restores",
        "look at it with dbrestore report and dbrestore watch; fix what its leftovers name",
        abandoned,
        is_vital=True,
    ),
)
