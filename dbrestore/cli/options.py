"""Options that several commands share."""

from enum import StrEnum
from typing import Annotated

import typer


class RetrievalTier(StrEnum):
    """S3's tiers of retrieval from an archive."""

    EXPEDITED = "Expedited"
    STANDARD = "Standard"
    BULK = "Bulk"


AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="JSON Lines on stdout, for programs; `restore` and `watch` write them whenever stdout isn't a terminal.",
    ),
]
Longest = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="Stop waiting after this many seconds (exit code 13); the restore goes on."),
]
StopAt = Annotated[
    str | None,
    typer.Option(
        metavar="MOMENT",
        help="SQL Server: restore log backups up to this moment, on the clock of the server that was backed up, like 2026-05-12T13:29:50.",
    ),
]
FixUsers = Annotated[
    bool,
    typer.Option("--fix-users", help="SQL Server: map users whose login doesn't exist on this server to the login of the same name."),
]
CheckDatabase = Annotated[
    bool | None,
    typer.Option(
        "--check-database/--no-check-database",
        help="SQL Server: run DBCC CHECKDB before the restore counts as succeeded; by default the installation's configuration decides.",
    ),
]
ToAccount = Annotated[str | None, typer.Option("--account", metavar="ID", help="The target's account; default: the control account.")]
ToRegion = Annotated[
    str | None,
    typer.Option("--to-region", metavar="REGION", help="The target's Region; default: the control account's."),
]
Secret = Annotated[
    str | None,
    typer.Option(
        "--secret",
        metavar="ARN",
        help="Log in to the target with this secret of its account and Region: JSON with username and password. Default: what the "
        "installation's configuration says, else the master secret that RDS manages.",
    ),
]
IamUserName = Annotated[
    str | None,
    typer.Option("--iam-user", metavar="USER", help="PostgreSQL: log in to the target as this user, with tokens of IAM and no password."),
]
Tier = Annotated[
    RetrievalTier,
    typer.Option(
        "--tier",
        case_sensitive=False,
        help="How archived files are retrieved; `plan` says how long that takes and what it costs.",
    ),
]
WorkerWishes = Annotated[
    list[str] | None,
    typer.Option(
        "--worker",
        metavar="KEY=VALUE",
        help="Override a configured setting of the worker; the keys are those of `worker` in a request: subnetIds=ID,ID volumeGib=40 "
        "tags.team=dba. Repeatable.",
    ),
]
EndSessions = Annotated[
    bool,
    typer.Option(
        "--end-sessions", help="When a database is replaced: end the sessions in it and in the restored one instead of waiting for them."
    ),
]
SwapMinutes = Annotated[
    int | None,
    typer.Option("--swap-minutes", metavar="MINUTES", help="When a database is replaced: how long to wait for sessions to end (10)."),
]
KeepDays = Annotated[
    int | None,
    typer.Option(
        "--keep-days",
        metavar="DAYS",
        help="When a database is replaced: how long the old one is kept; default: the installation's setting (7).",
    ),
]
_RESTORE_NAME = "A restore id (r-...), or the name or ARN of its execution."
RestoreName = Annotated[str, typer.Argument(metavar="ID", help=_RESTORE_NAME)]
RestoreNameOrNone = Annotated[str | None, typer.Argument(metavar="[ID]", help=_RESTORE_NAME)]
