"""`app.synthesise` in one process for one context after another: the CDK takes seven seconds of CPU to start, a synthesis two.

What runs is what `python app.py` runs, where there is no Node on the PATH, no Docker and no AWS account; that a process of its own does the
same is shown by `cdk_out`.
"""

import atexit
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PATH": "/nowhere", "HOME": str(Path("~").expanduser()), "LANG": "C.UTF-8"}


class KeptSynthesis:
    """The process, from the first synthesis to the end of the tests."""

    def __init__(self) -> None:
        self._said: IO[bytes] = TemporaryFile()  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.infrastructure.kept_synthesis"],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
        atexit.register(self.close)

    def synthesise(self, folder: Path, context: Mapping[str, Any]) -> None:
        """Write the assembly into `folder`. AssertionError with what went wrong, or with a warning of the CDK."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(dict(context))}) + "\n")
        self._process.stdin.flush()
        problem = json.loads(self._process.stdout.readline() or '"it ended"')
        assert not problem, f"{problem}\n{self._warnings()}"
        assert not self._warnings()

    def _warnings(self) -> str:
        # The file's place is the process's too: it isn't moved here.
        return os.pread(self._said.fileno(), 1 << 20, 0).decode()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._said.close()


@cache
def kept() -> KeptSynthesis:
    """This test process's one."""
    return KeptSynthesis()


def main() -> None:
    """One synthesis per line of stdin, in the variables that it names; its problem, or null, on stdout."""
    import app

    app.prepare_node()
    # Starts Node, which would keep the first line's context for good.
    import aws_cdk  # noqa: F401

    for line in sys.stdin:
        os.environ.update(json.loads(line))
        print(json.dumps(_problem(app.synthesise)), flush=True)


def _problem(synthesise: Any) -> str | None:
    try:
        synthesise()
    except SystemExit as error:
        return f"exit: {error}"
    except Exception:
        return traceback.format_exc()
    return None


if __name__ == "__main__":
    main()
