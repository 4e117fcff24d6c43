"""Options that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="JSON Lines on stdout, for programs; `restore` and `watch` write them wherever stdout is no terminal.",
    ),
]
Longest = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", min=0, help="Stop waiting after so long (exit code 13); the restore goes on."
    ),
]
RestoreName = Annotated[
    str, typer.Argument(metavar="ID", help="A restore id (r-...), or the name or ARN of its execution.")
]
