"""A directory dump of a hundred thousand files, the most that there can be: each function that reads the order of its copies has the memory
for it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dbrestore.contract.pauses import COPYING
from infrastructure.functions import FUNCTIONS
from tests.unit.lambdas.adding import ordered_directory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FILES = 100_000
# For Lambda's own runtime and the clients of AWS, whose connections no test here opens.
ELSE = 128


@pytest.fixture(scope="module")
def note(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("order") / "note.json"
    path.write_text(ordered_directory.order(FILES).to_json())
    return path


@pytest.mark.parametrize("state", ordered_directory.WORK)
def test_a_function_has_the_memory_for_a_hundred_thousand_files(note: Path, state: str) -> None:
    [row] = [row for row in FUNCTIONS if row.state == state]
    program = [sys.executable, "-m", ordered_directory.__name__, state, row.handler.rpartition(".")[0], str(note)]

    done = subprocess.run(program, env={**os.environ, "PYTHONPATH": os.getcwd()}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mebibytes"] < row.memory - ELSE, found
    # Two requests a file, 32 at once: three events of the history for each call, of 25,000 that an execution has.
    assert found["calls"] <= 2 * FILES // ordered_directory.REQUESTS_IN_A_CALL + 2 < COPYING.looks_at_most
