"""`make demo`: the whole application on this computer, in six acts, and a check of everything that it claims.

Act 1: somebody forgets a WHERE; the database is restored beside the original, takes its name, and gives it back. Act 2: the worker is
killed in the middle of a restore.
Act 3: a drill proves the backup, and with damage it must fail. Act 4: a ticket asks over HTTP, and a second person approves.
Act 5: native backups of SQL Server, to a point in time, without an engine. Act 6: an instance that RDS could not restore into is refused.
Invariant: the exit code is 0 only if every claim that is printed was seen to be true, asked of AWS and the database servers themselves.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dbrestore.cli import consoles, control
from dbrestore.cli.control import Account, ControlPlane
from demo import drill_acts, swap_acts, ticket_acts
from demo import native_acts as demo_native
from demo import postgresql_acts as demo_postgresql
from demo.drill_acts import Drills
from demo.restores import Act, Refusal
from demo.stage import Stage
from demo.swap_acts import Exchanges
from demo.ticket_acts import Ticket
from localcloud import command, daemon
from localcloud.daemon import Running
from localcloud.server import ACCESS_LOG, LocalCloudError
from localcloud.stacks.application import ACCESS, API_FILE, DRILLS

ROWS = 300_000


@dataclass(frozen=True)
class Acts:
    """How each ended."""

    first: Act
    exchanges: Exchanges
    second: Act
    third: Drills
    fourth: Ticket
    fifth: Act
    sixth: Refusal


def main() -> int:
    """Play all acts; 0 if everything was as claimed."""
    if not sys.stdout.isatty():
        os.environ.setdefault("COLUMNS", "110")
    stage = Stage(consoles.out())
    try:
        with private_directory() as directory:
            acts = play(stage, directory)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    stage.claim("everything that the demonstration started has been stopped and removed", not directory.exists())
    print(f"\nThe page of the drill's evidence, for your browser: {acts.third.page}")
    return 1 if stage.broken else 0


def play(stage: Stage, directory: Path, rows: int = ROWS) -> Acts:
    """All acts in a local cloud of their own, which ends with them."""
    stage.title("A shop on RDS, its backup, and an accident")
    with _local_cloud(stage, directory) as (account, plane, running):
        shop, before = demo_postgresql.prepare(stage, account, plane, directory, rows)
        stage.title("Act 1: the backup is restored next to the damaged original")
        first = demo_postgresql.restore_beside(stage, plane, shop, before)
        stage.title("Act 1, the end: it takes the name, and gives it back")
        exchanges = swap_acts.run(stage, plane, shop, first, before.rows)
        stage.title("Act 2: the worker is killed while it loads rows, and another one carries on")
        second = demo_postgresql.lose_the_worker(stage, plane, shop, before)
        stage.title("Act 3: a drill proves the backup, and the same drill with damage must fail")
        third = drill_acts.run(stage, plane, shop)
        stage.title("Act 4: a ticket asks, a second person approves, and the ticket gets its answer")
        fourth = ticket_acts.run(stage, plane, shop, json.loads((running.directory / API_FILE).read_text()))
        stage.title("Act 5: native backups of SQL Server, to a point in time")
        crm = demo_native.prepare(stage, account, plane, directory)
        fifth = demo_native.restore_to_a_moment(stage, plane, crm, running.directory / ACCESS_LOG)
        stage.title("Act 6: an instance whose option group lacks the option is refused at once")
        sixth = demo_native.refuse(stage, account, plane, directory)
    return Acts(first, exchanges, second, third, fourth, fifth, sixth)


@contextmanager
def _local_cloud(stage: Stage, directory: Path) -> Iterator[tuple[Account, ControlPlane, Running]]:
    outside = dict(os.environ)
    with stage.step("start a local cloud") as details:
        # A directory of its own: a local cloud that the person at the keyboard uses stays as it is.
        os.environ["DBRESTORE_LOCAL_DIR"] = str(directory / "local")
        os.environ[DRILLS] = str(drill_acts.declare(directory))
        os.environ[ACCESS] = str(ticket_acts.configure(directory))
        running = daemon.up()
        os.environ.update(command.environment(running))
        details.append(f"{running.endpoint}, both stacks deployed")
    try:
        account = Account()
        yield account, control.find(account), running
    finally:
        daemon.down()
        os.environ.clear()
        os.environ.update(outside)


@contextmanager
def private_directory() -> Iterator[Path]:
    """A directory of the demonstration's own, which goes with it."""
    directory = Path(tempfile.mkdtemp(prefix="dbrestore-demo-"))
    # PostgreSQL refuses to run as root and then runs as nobody, who must be able to enter.
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
