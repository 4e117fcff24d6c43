"""The `dbrestore` command: options for all commands, the commands, and how an error ends.

Invariant: the exit code says what happened (`exit_code_choice`), problems go to stderr one per line, and a person never sees a traceback
for something that isn't a bug.
"""

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from dbrestore.cli import (  # noqa: F401
    approval,
    checkout_commands,
    cleanup,
    consoles,
    doctor,
    drills,
    exit_code_choice,
    listing,
    points,
    points_verify,
    restore,
    watch,
    worker_config,
)
from dbrestore.cli.adding import adoptions, discover
from dbrestore.cli.control import DEFAULT_INSTALLATION, Account
from dbrestore.cli.exchanging import swap
from dbrestore.cli.proofs import coverage
from dbrestore.cli.removing import prune, remove  # noqa: F401
from dbrestore.contract.deployed import versions
from dbrestore.contract.exit_code import ExitCode

app = typer.Typer(
    name="dbrestore",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
checkout_commands.add_to(app)
points.app.command()(discover.discover)
points.app.command()(adoptions.adoptions)
app.add_typer(points.app, name="points")
app.add_typer(worker_config.app, name="worker-config")
coverage.add_to(drills.app, drills.declared)
app.add_typer(drills.app, name="drill")
app.command()(restore.plan)
app.command()(restore.restore)
app.command()(swap.swap)
app.command("drop-old")(swap.drop_old)
app.command("list")(listing.list_restores)
app.command()(watch.status)
app.command()(watch.watch)
app.command()(watch.cancel)
app.command()(approval.approve)
app.command()(approval.reject)
app.command()(watch.report)
app.command()(cleanup.cleanup)
app.command()(doctor.doctor)


def print_version(asked: bool) -> None:
    """The version, and nothing else: in the option's own callback, because the command's runs only when a command is named."""
    if asked:
        print(versions.NUMBER)
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    profile: Annotated[str | None, typer.Option(help="The AWS profile; default: the one that the AWS CLI would use.")] = None,
    region: Annotated[
        str | None, typer.Option(help="The Region of the control account; default: the one that the AWS CLI would use.")
    ] = None,
    installation: Annotated[
        str,
        typer.Option(
            envvar="DBRESTORE_INSTALLATION",
            help="The installation, by the prefix of its names (the context's prefix when it was deployed), where an account has several.",
        ),
    ] = DEFAULT_INSTALLATION,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)] = False,
) -> None:
    """Restore single databases into running Amazon RDS instances, and leave nothing behind."""
    context.obj = Account(profile, region, installation)


def main() -> None:
    """The entry point of the command."""
    raise SystemExit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    try:
        code = typer.main.get_command(app).main(arguments, prog_name="dbrestore", standalone_mode=False)
    except TyperException as error:
        _problem(f"{error.format_message()}{_hint(error)}")
        return ExitCode.USAGE
    except (KeyboardInterrupt, typer.Abort):
        return ExitCode.INTERRUPTED
    except Exception as error:
        if not exit_code_choice.is_explained(error):
            raise
        _explain(error)
        return exit_code_choice.of_exception(error)
    return int(code or 0)


def _hint(error: TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is None or error.format_message().startswith("Usage:"):
        return ""
    return f" (see {context.command_path} --help)"


def _explain(error: Exception) -> None:
    for line in str(error).splitlines():
        _problem(f"{type(error).__name__}: {line}")
    for note in getattr(error, "__notes__", []):
        _problem(note)


def _problem(line: str) -> None:
    consoles.say(line, style="red")


if __name__ == "__main__":
    main()
