"""Every command, `--help` too, waits for what the command line loads at its start."""

import subprocess
import sys

# They read rows and recompute checksums: a quarter of the time that a command took to start.
HEAVY = ("lz4", "zstandard", "isal", "xxhash", "numpy", "psycopg")


def test_the_command_line_loads_nothing_at_its_start_that_only_some_commands_need() -> None:
    look = f"import sys, dbrestore.cli.main; print([name for name in {HEAVY} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
