"""`dbrestore worker-config`: the worker configuration that is deployed, and what it makes of the worker for one instance.

The function CheckWorkerConfiguration answers both: the file is deployed with the functions, and the target's role trusts them alone.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from dbrestore.cli import consoles, control, examination
from dbrestore.cli.consoles import visible
from dbrestore.cli.control import Account
from dbrestore.cli.options import AsJson, WorkerWishes
from dbrestore.cli.request import worker_wishes
from dbrestore.cli.views import display
from dbrestore.cli.views import plan as plan_view
from dbrestore.cli.views.tables import table
from dbrestore.contract import form_problems
from dbrestore.contract.allowed.worker_settings import EXPECTED
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.questions.worker_configuration import (
    CheckedWorker,
    ConfiguredValue,
    WorkerConfigurationAnswer,
    WorkerConfigurationQuestion,
    WorkerConfigurations,
)
from dbrestore.contract.request_problems import Problems, note_rivals

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The worker configuration that is deployed.")

_OPTIONS = {"dbInstance": "INSTANCE", "account": "--account", "region": "--to-region"}
# What the plan does where nothing is set.
_UNSET = {
    "subnetIds": "the best of the VPC",
    "securityGroupIds": "none besides the worker's own",
    "instanceTypes": "by the work",
    "imageId": "the newest Amazon Linux 2023",
    "kmsKeyId": "the image's, or the account's default for EBS",
    "proxy": "none",
}


@app.command("list")
def list_places(context: typer.Context, as_json: AsJson = False) -> ExitCode:
    """List what is configured for which place. The most specific place that sets a value counts: VPC, account and Region, account, Region,
    defaults."""
    configurations = _ask(context, WorkerConfigurationQuestion()).configurations
    if as_json:
        for name, pointer, settings in _places(configurations):
            display.print_json({"type": "place", "place": name, "pointer": pointer, "settings": settings})
        display.print_json({"type": "summary", "places": len(configurations.places), "exitCode": int(ExitCode.DONE)})
        return ExitCode.DONE
    shown = table("place", "sets", "to")
    for name, _, settings in _places(configurations):
        for key, value in settings.items() or [("nothing", None)]:
            shown.add_row(name, key, _told(key, value))
            name = ""
    consoles.out().print(shown)
    return ExitCode.DONE


@app.command()
def check(
    context: typer.Context,
    instance: Annotated[str, typer.Argument(help="The RDS instance that would be restored into.")],
    account: Annotated[str | None, typer.Option(metavar="ID", help="The instance's account; default: the control account.")] = None,
    to_region: Annotated[str | None, typer.Option(metavar="REGION", help="The instance's Region; default: the control account's.")] = None,
    worker: WorkerWishes = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Show the worker that an instance would get and where each setting comes from, and check it against AWS. Nothing is created.
    Ends with 1 if a restore would be refused for it."""
    checked = _ask(context, build(instance, account, to_region, worker or ())).checked
    if checked is None:
        raise RuntimeError("an instance was named and nothing was checked: report this as a bug")
    code = ExitCode.FAILED if checked.findings else ExitCode.DONE
    if as_json:
        for line in _lines(checked):
            display.print_json(line)
        display.print_json({"type": "summary", "findings": len(checked.findings), "exitCode": int(code)})
    else:
        print_worker(consoles.out(), checked)
    return code


def build(instance: str, account: str | None, region: str | None, worker: Sequence[str]) -> WorkerConfigurationQuestion:
    """The question of one command. Raises RestoreRequestInvalid, one line per problem."""
    values = {"dbInstance": instance, "account": account, "region": region, "worker": worker_wishes(worker)}
    try:
        question = WorkerConfigurationQuestion.model_validate(values)
    except ValidationError as error:
        told = form_problems.told(error, WorkerConfigurationQuestion, EXPECTED)
        lines = [f"{_OPTIONS.get(str(place[0]), form_problems.pointer(place))}: {sentence}" for place, sentence in told]
        raise RestoreRequestInvalid("\n".join(lines)) from None
    problems = Problems()
    note_rivals(question.worker, problems)
    problems.raise_if_any()
    return question


def _ask(context: typer.Context, question: WorkerConfigurationQuestion) -> WorkerConfigurationAnswer:
    plane = control.find(context.ensure_object(Account))
    return examination.ask(plane, "CheckWorkerConfiguration", question, WorkerConfigurationAnswer)


def _places(configurations: WorkerConfigurations) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Name, pointer and what is set, the defaults first."""
    yield "defaults", "/defaults", _settings(configurations.defaults)
    for n, place in enumerate(configurations.places):
        yield str(place), f"/places/{n}", _settings(place, "account", "region", "vpc_id")


def _settings(settings: Any, *besides: str) -> dict[str, Any]:
    told: dict[str, Any] = settings.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(besides))
    return told


def print_worker(console: Console, checked: CheckedWorker) -> None:
    """Each value with who sets it, the subnets with their reasons, what would be launched, and what is wrong."""
    place = f"{checked.vpc_id} in {checked.region} of {checked.account}"
    console.print(Text(f"A worker for {checked.db_instance}, {place}", style="bold"))
    shown = table("what", "is", "by")
    for value in checked.values:
        shown.add_row(value.key, _worth(value), f"{value.origin} ({value.place})" if value.place else value.origin)
    console.print(shown)
    if checked.network:
        for part in plan_view.network(checked.network, "would run", console.width):
            console.print(part)
    for n, launch in enumerate(checked.launches, 1):
        console.print(f"launch {n}: {launch.instance_type} in {launch.subnet_id}")
    console.print("" if checked.findings else "\nNo problems found.")
    for finding in checked.findings:
        consoles.say(f"{finding.error}: {finding.place}: {finding.sentence}", style="red")


def _worth(value: ConfiguredValue) -> str:
    return _UNSET.get(value.key, "") if value.value is None else _told(value.key, value.value)


def _told(key: str, value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return ", ".join(f"{visible(name)}={visible(text)}" for name, text in value.items())
    return "" if value is None else visible(str(value))


def _lines(checked: CheckedWorker) -> Iterator[dict[str, Any]]:
    whole = checked.to_state()
    yield {"type": "worker", **{key: whole[key] for key in ("dbInstance", "account", "region", "vpcId", "securityGroupIds", "launches")}}
    for value in checked.values:
        yield {"type": "value", **value.to_state()}
    for subnet in checked.network.subnets if checked.network else ():
        yield {"type": "subnet", **subnet.to_state()}
    for finding in checked.findings:
        yield {"type": "finding", **finding.to_state()}
