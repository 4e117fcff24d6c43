"""`dbrestore worker-config`: the worker configuration that is deployed, and what it makes of the worker for one instance, held against AWS.

The command can't look for itself: the target's role trusts functions only. It is the plan's own part on the worker that looks here, so
what is found is what a restore would be refused for. Nothing is made or changed.
"""

from typing import Any

from pydantic import JsonValue

from dbrestore.contract.allowed.worker_settings import WorkerSettings
from dbrestore.contract.questions.worker_configuration import (
    CheckedWorker,
    ConfiguredValue,
    WorkerConfigurationAnswer,
    WorkerConfigurationQuestion,
    WorkerFinding,
)
from dbrestore.contract.request_problems import Problems
from lambdas.configuration import workers as worker_configuration
from lambdas.lookup import target as target_lookup
from lambdas.placement.effective_worker import BUILT_IN, EffectiveWorker
from lambdas.planning import worker as worker_plan
from lambdas.planning.findings import Place
from lambdas.planning.target_account import assume
from lambdas.planning.worker import Site
from lambdas.runtime.state import Surroundings, handler

STATE = "CheckWorkerConfiguration"


@handler(STATE, WorkerConfigurationQuestion, asked=True)
def check_worker_configuration(question: WorkerConfigurationQuestion, surroundings: Surroundings) -> WorkerConfigurationAnswer:
    """Raises TargetNotFound, TargetNotUsable if the target's role can't be assumed, WorkerConfigurationInvalid if the file can't be
    read."""
    configurations = worker_configuration.deployed(surroundings.settings.worker_configuration)
    checked = _checked(question, question.db_instance, surroundings) if question.db_instance else None
    return WorkerConfigurationAnswer(configurations=configurations, checked=checked)


def _checked(question: WorkerConfigurationQuestion, db_instance: str, surroundings: Surroundings) -> CheckedWorker:
    machine = surroundings.settings.state_machine_arn
    _, partition, _, region, account, *_ = machine.split(":")
    place = Place(partition, question.region or region, question.account or account)
    # An execution that never runs: what CloudTrail shows of the check carries its restore's id.
    target = assume(surroundings, place, machine.replace(":stateMachine:", ":execution:", 1) + ":worker-config")
    instance = target_lookup.find_instance(target, db_instance)
    problems = Problems()
    site = Site(partition, place.account, place.region, region)
    part = worker_plan.part(target, instance, site, 0, question.worker, surroundings.settings, problems)
    if problems.waiting:
        raise problems.waiting
    return CheckedWorker(
        db_instance=instance["DBInstanceIdentifier"],
        account=place.account,
        region=place.region,
        vpc_id=instance["DBSubnetGroup"]["VpcId"],
        values=_values(part.effective),
        security_group_ids=part.planned.security_group_ids if part.planned else (),
        launches=part.planned.launches if part.planned else (),
        network=part.network,
        findings=tuple(WorkerFinding(error=found.kind.__name__, place=found.pointer, sentence=found.sentence) for found in problems.found),
    )


def _values(worker: EffectiveWorker) -> tuple[ConfiguredValue, ...]:
    set_values: dict[str, Any] = worker.to_state()
    keys = [str(field.alias) for field in WorkerSettings.model_fields.values() if field.alias != "tags"]
    tags = {f"tags/{key}": value for key, value in sorted(worker.tags.items())}
    values = {key: set_values[key] or None for key in keys} | tags
    return tuple(_value(worker, key, value) for key, value in values.items())


def _value(worker: EffectiveWorker, key: str, value: JsonValue) -> ConfiguredValue:
    origin = worker.origins.get(key)
    return ConfiguredValue(key=key, value=value, origin=origin.name if origin else BUILT_IN, place=origin.pointer if origin else "")
