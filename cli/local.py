"""`dbrestore local`: the embedded local cloud in the background, so that everything can be tried without an AWS account."""

import typer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The local cloud: the whole application on this computer, without AWS.",
)


@app.command()
def status() -> int:
    return 0
