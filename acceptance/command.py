"""The command line: `python -m acceptance`."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from acceptance import consent, costs, run
from acceptance.account import TriedAccount
from acceptance.diary import Diary
from acceptance.made import stacks
from acceptance.run import Run
from acceptance.sheet import Sheet
from acceptance.trials.order import TRIALS
from acceptance.trials.trial import Trial
from acceptance.wishes import PREFIX, SCALES, Wishes
from dbrestore.cli import consoles
from dbrestore.contract.exit_code import ExitCode
from dbrestore.contract.names import RDS_CERTIFICATES
from infrastructure import settings


def main(arguments: Sequence[str] | None = None, trials: Sequence[Trial] = TRIALS) -> int:
    """0 if nothing that was tried failed and nothing is left; 1 if something did, 5 if something is left, 2 if it could not begin."""
    given = _parser().parse_args(arguments)
    account = TriedAccount(profile=given.profile, region=given.region, installation=given.prefix)
    wishes = _wishes(given)
    try:
        return _finish(account, wishes, given.remove) if given.remove else _begin(account, wishes, trials)
    except KeyboardInterrupt:
        # Of the run itself Ctrl-C begins the removal; this one ended that.
        consoles.say(f"Not everything is removed: python -m acceptance --remove RUN goes on, for each RUN in {wishes.folder}")
        return ExitCode.INTERRUPTED


def _begin(account: TriedAccount, wishes: Wishes, trials: Sequence[Trial]) -> int:
    console = consoles.out()
    try:
        stacks.require_none(account)
    except stacks.AlreadyDeployed as error:
        consoles.say(str(error))
        return ExitCode.USAGE
    console.print(costs.statement(wishes), soft_wrap=True)
    if not consent.given(account, wishes):
        consoles.say("Nothing was made.")
        return ExitCode.USAGE
    diary = Diary.begin(wishes.folder, run=run.new_id(), account=account.number, region=account.here, prefix=wishes.prefix)
    console.print(f"run {diary.run}; should it be broken off: python -m acceptance --remove {diary.run}", soft_wrap=True)
    sheet = Run(account, wishes, diary, console, trials).play()
    console.print(f"the sheet: {diary.folder / 'sheet.md'}", soft_wrap=True)
    return _code(sheet)


def _finish(account: TriedAccount, wishes: Wishes, name: str) -> int:
    try:
        diary = Diary.open(wishes.folder, name)
    except FileNotFoundError:
        consoles.say(f"There is no record of a run {name} in {wishes.folder}: name its folder with --results")
        return ExitCode.NOT_FOUND
    if (diary.account, diary.region) != (account.number, account.here):
        consoles.say(f"The run {name} is in account {diary.account}, {diary.region}: use its credentials and --region {diary.region}")
        return ExitCode.USAGE
    removed = Run(replace(account, installation=diary.prefix), wishes, diary, consoles.out()).remove()
    for left in removed.left:
        consoles.say(f"left: {left}")
    return ExitCode.LEFTOVERS if removed.left else ExitCode.DONE


def _code(sheet: Sheet) -> int:
    if sheet.removal.left:
        return ExitCode.LEFTOVERS
    return ExitCode.DONE if sheet.holds else ExitCode.FAILED


def _wishes(given: argparse.Namespace) -> Wishes:
    return Wishes(
        scale=SCALES[given.trials],
        sqlserver=given.sqlserver or bool(given.sqlserver_backup),
        native_backups=tuple(given.sqlserver_backup),
        subnets=tuple(given.subnet),
        certificates=given.certificates,
        prefix=given.prefix,
        keep=given.keep,
        yes=given.yes,
        folder=given.results,
    )


def _prefix(text: str) -> str:
    try:
        return settings.prefix(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m acceptance", description="Try dbrestore out in an account of AWS, and remove it again."
    )
    parser.add_argument("--profile", help="of the AWS configuration; default: as boto3 finds it")
    parser.add_argument("--region", help="default: the one that the AWS CLI would use")
    parser.add_argument("--sqlserver", action="store_true", help="SQL Server Express too: an hour more")
    parser.add_argument("--sqlserver-backup", type=Path, action="append", default=[], metavar="FILE", help="a native backup to restore")
    parser.add_argument("--trials", choices=sorted(SCALES), default="quick", help="how often trials repeat what they do; default: quick")
    parser.add_argument("--subnet", action="append", default=[], metavar="ID", help="two subnets to use, in place of a VPC that is made")
    parser.add_argument(
        "--certificates", default=RDS_CERTIFICATES, metavar="URL|FILE", help="RDS's certificates; default: where AWS has them"
    )
    parser.add_argument("--prefix", type=_prefix, default=PREFIX, help=f"of the installation that is made; default: {PREFIX}")
    parser.add_argument("--keep", action="store_true", help="remove nothing at the end")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--results", type=Path, default=Path("acceptance-results"), metavar="FOLDER", help="for the sheets and the record")
    parser.add_argument("--remove", metavar="RUN", help="remove what that run made, and nothing else")
    return parser
