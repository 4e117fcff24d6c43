"""The real pg_restore, logged in as the temporary login, for everything but rows, indexes, extensions and privileges.

Invariant: an error that pg_restore passed over is an error here too; it sees the table of contents and never the data.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from psycopg.conninfo import make_conninfo

from repository.errors import ReplayFailed
from repository.pgdump_toc import TocEntry
from worker import limits
from worker.archive import Archive
from worker.job import FixUp
from worker.session import Login, Server, pg_restore_program

# A newer pg_restore sends this setting to every server; those before 17 don't know it. Nothing depends on it.
_HARMLESS = "Command was: SET transaction_timeout = 0;"
_IGNORED = re.compile(r"^warning: errors ignored on restore: (\d+)$")


def restore(
    server: Server, login: Login, database: str, archive: Archive, entries: Iterable[TocEntry], private: Path, *,
    jobs: int = 1, old_server: bool = False,
) -> list[FixUp]:  # fmt: skip
    """Restore these entries in the dump's order, or with several `jobs` as their dependencies allow. Returns its warnings.

    `old_server` is one before PostgreSQL 17. Raises ReplayFailed with pg_restore's words."""
    chosen = {e.dump_id for e in entries}
    if not chosen:
        return []
    list_file = private / "entries.list"
    list_file.write_text("".join(f"{e.dump_id}; 0 0\n" for e in archive.toc.entries if e.dump_id in chosen))
    done = subprocess.run(
        [pg_restore_program(), *_options(list_file, database, jobs, old_server), str(archive.path)],
        env=server.environment(login, private), stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    return judge(done.returncode, done.stderr.decode("utf-8", "replace"), old_server=old_server)


def _options(list_file: Path, database: str, jobs: int, old_server: bool) -> list[str]:
    options = [
        "--no-password", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-publications", "--no-subscriptions",
        "--no-security-labels", f"--use-list={list_file}", f"--dbname={make_conninfo(dbname=database)}",
    ]  # fmt: skip
    if jobs > 1:
        options.append(f"--jobs={jobs}")
    elif not old_server:
        options.append(f"--transaction-size={limits.OBJECTS_PER_TRANSACTION}")
    # With an old server one harmless error must not end the run; the others are found afterwards.
    return options if old_server else [*options, "--exit-on-error"]


def judge(code: int, messages: str, *, old_server: bool) -> list[FixUp]:
    """What pg_restore said: raises for an error, returns the warnings."""
    parts = [part.strip() for part in re.split(r"^pg_restore: ", messages, flags=re.MULTILINE) if part.strip()]
    errors = [p for p in parts if p.startswith("error:") and not (old_server and p.endswith(_HARMLESS))]
    tolerated = sum(p.startswith("error:") for p in parts) - len(errors)
    ignored = sum(int(found.group(1)) for p in parts if (found := _IGNORED.match(p)))
    if errors or ignored > tolerated or code != (1 if tolerated else 0):
        raise ReplayFailed(f"pg_restore ended with {code}: {' '.join(errors or parts)[: limits.MESSAGE_LENGTH]}")
    return [FixUp(entry="pg_restore", what=p) for p in parts if not p.startswith("error:") and not _IGNORED.match(p)]
