"""The choices of a restore as options, most of them PostgreSQL's: `restore` and `plan` take the same ones and hand them to the request by
its own keys."""

import inspect
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from dbrestore.cli.options import EndSessions, KeepDays, SwapMinutes
from dbrestore.cli.request import split_names
from dbrestore.contract import limits
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.exit_code import ExitCode

Command = Callable[..., ExitCode]


class Proof(StrEnum):
    """How a restored database is held against its backup."""

    COUNTS = "counts"
    CONTENT = "content"


Owners = Annotated[
    list[str] | None,
    typer.Option(
        "--owner",
        metavar="ROLE[=OWNER]",
        help="PostgreSQL: give what this role owned in the dump to this role of the target (default: the same name). Repeatable; roles "
        "that are not named then own nothing. Without it, the dump's roles own their objects if the restore point is of the target itself.",
    ),
]
CreateMissingRoles = Annotated[
    bool,
    typer.Option(
        "--create-missing-roles",
        help="PostgreSQL: create the dump's roles that the target lacks, without login or rights.",
    ),
]
SkipMissingExtensions = Annotated[
    bool,
    typer.Option(
        "--skip-missing-extensions",
        help="PostgreSQL: leave out extensions that are not offered or not allowed, and what needs them; ends with exit code 4.",
    ),
]
SkipUnrestorable = Annotated[
    bool,
    typer.Option(
        "--skip-unrestorable",
        help="PostgreSQL: leave out whatever the target refuses, and what needs it; ends with exit code 4 and the list.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="PostgreSQL: the encoding of the new databases; default: the dump's."),
]
Locale = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="PostgreSQL: the locale of the new databases; default: the dump's."),
]
Verify = Annotated[
    Proof | None,
    typer.Option(
        help="PostgreSQL: `content` reads every value back and compares it, `counts` counts rows; "
        f"default: content up to {limits.CONTENT_UP_TO_BYTES // 1000**3} GB."
    ),
]


def with_choices(command: Command) -> Command:
    """The command with these options, which it gets as one argument `choices`: keys and values of a request."""
    added = inspect.signature(_chosen)
    own = inspect.signature(command)

    @wraps(command)
    def called(*arguments: Any, **options: Any) -> ExitCode:
        choices = _chosen(**{name: options.pop(name) for name in added.parameters})
        return command(*arguments, choices=choices, **options)

    kept = [parameter for name, parameter in own.parameters.items() if name != "choices"]
    # What typer makes the command's options of.
    called.__signature__ = own.replace(parameters=[*kept, *added.parameters.values()])  # type: ignore[attr-defined]
    called.__annotations__ = get_type_hints(command, include_extras=True) | get_type_hints(_chosen, include_extras=True)
    return called


def owners(options: Sequence[str]) -> dict[str, str]:
    """`owners` of a request from `ROLE` and `ROLE=OWNER`. Raises RestoreRequestInvalid for what isn't a pair or names a role twice."""
    found: dict[str, str] = {}
    for option in options:
        role, owner = split_names(option, "--owner", "ROLE or ROLE=OWNER")
        if role in found:
            raise RestoreRequestInvalid(f"--owner {option!r}: {role} is given twice: only one role can own in its place")
        found[role] = owner or role
    return found


def _chosen(
    *,
    owner: Owners = None,
    create_missing_roles: CreateMissingRoles = False,
    skip_missing_extensions: SkipMissingExtensions = False,
    skip_unrestorable: SkipUnrestorable = False,
    encoding: Encoding = None,
    locale: Locale = None,
    verify: Verify = None,
    end_sessions: EndSessions = False,
    swap_minutes: SwapMinutes = None,
    keep_days: KeepDays = None,
) -> dict[str, Any]:
    return {
        "owners": owners(owner) if owner else None,
        "roles": "create-missing" if create_missing_roles else "existing",
        "extensions": "skip-missing" if skip_missing_extensions else "all",
        "onUnrestorable": "skip" if skip_unrestorable else "fail",
        "encoding": encoding,
        "locale": locale,
        "verify": verify,
        **_swap(end_sessions, swap_minutes, keep_days),
    }


def _swap(end_sessions: bool, minutes: int | None, keep_days: int | None) -> dict[str, Any]:
    """`swap` of a request, if anything of it is given."""
    given = {"sessions": "end" if end_sessions else None, "minutes": minutes, "keepDays": keep_days}
    wishes = {key: value for key, value in given.items() if value is not None}
    return {"swap": wishes} if wishes else {}
