"""`dbrestore local`: the embedded local cloud in the background, so that everything can be tried without an AWS account.

The command line finds it by its entry point (pyproject.toml). It is loaded whenever `dbrestore` starts, so what takes time is imported
only by the command that needs it.
"""

import json
import shlex
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

from dbrestore.contract.exit_code import ExitCode
from localcloud.missing_packages import lacks

if TYPE_CHECKING:
    from localcloud.daemon import Running

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The local cloud: the whole application on this computer, without AWS. There is one per directory: DBRESTORE_LOCAL_DIR names it "
    "(default: ~/.dbrestore/local; for root /var/tmp/dbrestore-0, shared by everyone who works as root). Each directory has a cloud of "
    "its own, on its own port; none of these commands touches another directory's.",
)

AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="JSON Lines on stdout, for programs; `restore` and `watch` write them whenever stdout isn't a terminal.",
    ),
]


def _daemon() -> ModuleType:
    """Raises TyperException if this environment has only what the command needs."""
    try:
        return import_module("localcloud.daemon")
    except ModuleNotFoundError as error:
        raise TyperException(lacks(error)) from error


@app.command()
def up(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="The endpoint's port; default: a free one.")] = None,
    as_json: AsJson = False,
) -> ExitCode:
    """Start it, unless it is already running, and print export lines: eval "$(dbrestore local up)"."""
    daemon = _daemon()
    if daemon.status() is None:
        _say("Starting the local cloud ... (the first time takes a minute: templates and dependencies are made)")
    running = daemon.up(port)
    _print(running, as_json=as_json)
    _say(
        f"{'Already up' if running.already else 'Up'}: {running.endpoint}, in {running.directory.parent}. To stop it: dbrestore local down"
    )
    if running.already and port not in (None, running.port):
        _say(f"It is not on port {port}: stop it first, or name another directory with DBRESTORE_LOCAL_DIR.")
    return ExitCode.DONE


@app.command()
def down(as_json: AsJson = False) -> ExitCode:
    """Stop it and everything that it started, and remove its files."""
    daemon = _daemon()
    was_up = daemon.down()
    if as_json:
        _print_json({"type": "down", "wasUp": was_up})
    else:
        _say("The local cloud is down." if was_up else "The local cloud was not up.")
    return ExitCode.DONE


@app.command()
def status(as_json: AsJson = False) -> ExitCode:
    """Show where it is, with export lines; exit code 10 if it is not up."""
    daemon = _daemon()
    running = daemon.status()
    if running is None:
        if as_json:
            _print_json({"type": "local", "up": False})
        _say("The local cloud is not up. To start it: dbrestore local up")
        return ExitCode.NOT_FOUND
    _print(running, as_json=as_json)
    return ExitCode.DONE


@app.command()
def schedules(as_json: AsJson = False) -> ExitCode:
    """Show what its Scheduler did and will do, on the cloud's own clock, which runs ahead of yours; exit code 10 if it is not up."""
    running = _daemon().status()
    if running is None:
        _say("The local cloud is not up. To start it: dbrestore local up")
        return ExitCode.NOT_FOUND
    view = import_module("localcloud.flow.scheduler_view")
    seen = view.look(running.directory, running.endpoint)
    if as_json:
        for one in seen.schedules:
            _print_json({"type": "schedule", **one})
        for one in seen.done:
            _print_json({"type": "start", **one})
        _print_json({"type": "clock", "now": seen.now.isoformat(), "scale": seen.scale})
    else:
        for line in view.lines(seen):
            print(line)
    return ExitCode.DONE


@app.command()
def events(
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until it is down or you press Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> ExitCode:
    """Show what its bus got of restores and what its topics published, newest last; exit code 10 if it is not up."""
    daemon = _daemon()
    running = daemon.status()
    if running is None:
        _say("The local cloud is not up. To start it: dbrestore local up")
        return ExitCode.NOT_FOUND
    view = import_module("localcloud.flow.told_view")
    for one in view.following(running.directory, lambda: follow and daemon.status() is not None):
        if as_json:
            _print_json(one)
        else:
            print(view.line(one), flush=True)
    return ExitCode.DONE


def environment(running: "Running") -> dict[str, str]:
    """The variables with which the AWS CLI, boto3 and dbrestore find this cloud. The keys mean nothing."""
    from localcloud.base.clients import REGION

    return {
        "AWS_ENDPOINT_URL": running.endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "localcloud",
        "AWS_SECRET_ACCESS_KEY": "localcloud",  # nosec B105 - of no account
        **_api(running),
    }


def _api(running: "Running") -> dict[str, str]:
    """The API's stage, and the key of a caller; none before it is deployed, or where the access configuration gives nobody a key."""
    file = running.directory / "api.json"
    known = json.loads(file.read_text()) if file.exists() else {"keys": {}}
    first = next(iter(known["keys"].values()), None)
    return {"DBRESTORE_API_URL": known["url"], "DBRESTORE_API_KEY": first} if first else {}


def _print(running: "Running", *, as_json: bool) -> None:
    if as_json:
        _print_json({"type": "local", "up": True, "pid": running.pid, "environment": environment(running)})
        return
    for name, value in environment(running).items():
        print(f"export {name}={shlex.quote(value)}")


def _print_json(value: dict[str, object]) -> None:
    print(json.dumps(value, ensure_ascii=False), flush=True)


def _say(line: str) -> None:
    """For people, on stderr: stdout is for the result."""
    typer.echo(line, err=True)
