"""Commands that belong to the source checkout and not to the installed package, such as `local`: entry points of `dbrestore.commands`.

The command line knows none of them by name and imports none of their modules. A wheel has their names alone; there each of them says how
to get the checkout.
"""

from importlib.metadata import EntryPoint, PackageNotFoundError, distribution

import typer
from typer.exceptions import TyperException

GROUP = "dbrestore.commands"
_TAKES_ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}


def add_to(app: typer.Typer) -> None:
    """Add every command that this installation names, ready to run or as a stand-in."""
    for entry in _named():
        commands = _loaded(entry)
        if commands:
            app.add_typer(commands, name=entry.name)
        else:
            _add_stand_in(app, entry.name)


def _named() -> list[EntryPoint]:
    """Our own only: another package has no business among these commands. None if dbrestore runs without having been installed."""
    try:
        return sorted(distribution("dbrestore").entry_points.select(group=GROUP))
    except PackageNotFoundError:
        return []


def _loaded(entry: EntryPoint) -> typer.Typer | None:
    """None if the whole package that the command lies in isn't there; whatever is missing inside of it is a bug and raised."""
    try:
        commands: typer.Typer = entry.load()
    except ModuleNotFoundError as error:
        if error.name != entry.module.partition(".")[0]:
            raise
        return None
    return commands


def _add_stand_in(app: typer.Typer, name: str) -> None:
    @app.command(name, context_settings=_TAKES_ANYTHING)
    def say_where_it_is() -> None:
        """Only in a source checkout."""
        raise TyperException(
            f"`dbrestore {name}` comes with the source checkout of dbrestore, not with the installed package. Clone the repository, run "
            f"`make install` there, and use its own command: .venv/bin/dbrestore {name}"
        )
