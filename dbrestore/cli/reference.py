"""The reference page of the command, made of what `--help` says: docs/commands.md."""

from collections.abc import Iterator
from typing import Any

import typer

from dbrestore.cli.main import app
from dbrestore.contract.exit_code import ExitCode

_WIDTH = 110
_MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed, and cleaned up",
    ExitCode.USAGE: "the command or the request is wrong; nothing was begun",
    ExitCode.SOME_FAILED: "some databases failed; the others are restored",
    ExitCode.NOT_VERIFIED: "verification found a difference, and no database has the requested name; or the databases were restored "
    "without what the request allowed to leave out",
    ExitCode.LEFTOVERS: "clean-up could not finish: something is left (the report names it)",
    ExitCode.NOT_FOUND: "not found: the instance, the restore point, the restore, or dbrestore itself",
    ExitCode.BUSY: "busy: another restore has the same database, or AWS asks to try again later",
    ExitCode.DENIED: "denied, or no credentials",
    ExitCode.STILL_RUNNING: "still running when the wait ended; the restore goes on",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; the restore goes on",
}


def page() -> str:
    """Markdown: one section per command, then the exit codes."""
    parts = [
        "# Commands\n\nGenerated from `dbrestore --help` by `make docs`. With `--json` every command writes JSON Lines to stdout; progress",
        "for people goes to stderr. The endpoint is boto3's: `AWS_ENDPOINT_URL` decides between AWS and a local cloud.\n",
        *(f"## {path}\n\n```text\n{text}\n```\n" for path, text in _helps()),
        "## Exit codes\n\n| code | meaning |\n|---|---|",
        *(f"| {int(code)} | {_MEANINGS[code]} |" for code in ExitCode),
    ]
    return "\n".join(parts) + "\n"


def _helps() -> Iterator[tuple[str, str]]:
    yield from _walk(typer.main.get_command(app), None, "dbrestore")


def _walk(command: Any, parent: Any, name: str) -> Iterator[tuple[str, str]]:
    widths = {"terminal_width": _WIDTH, "max_content_width": _WIDTH}
    context = command.context_class(command, parent=parent, info_name=name, **widths, **command.context_settings)
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    yield context.command_path, "\n".join(lines)
    for child, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, context, child)
