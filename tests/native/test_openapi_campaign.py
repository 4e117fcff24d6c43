"""schemathesis over the deployed API of the local cloud, from the OpenAPI document that is committed: what is described is what is there.

`make api-fuzz` runs it. It has an environment of its own (`checks.environment`), because it brings a pytest.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from checks.environment import python_of
from localcloud import cloud as local
from localcloud.stacks import application

pytestmark = [pytest.mark.xdist_group("openapi"), pytest.mark.timeout(3600), pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "contract" / "openapi.json"
EXAMPLES = int(os.environ.get("DBRESTORE_FUZZ_EXAMPLES", "30"))
# What isn't asked, and why.
LEFT_OUT = {
    "positive_data_acceptance": "a request may be right in its form and still be refused: there is no such instance, or no rule for it",
    "unsupported_method": "API Gateway answers an unknown method as an unknown route, with 404",
}


@dataclass(frozen=True)
class Served:
    """The API as a caller who may do everything has it."""

    url: str
    key: str
    folder: Path


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        running = local.start(Path(folder, "cloud"), schedules=False)
        try:
            application.deploy(running)
            known = json.loads((running.directory / application.API_FILE).read_text())
            yield Served(known["url"], known["keys"]["developer"], Path(folder))
        finally:
            running.stop()


def test_the_api_is_what_its_description_says(api: Served) -> None:
    program = str(Path(python_of(ROOT, "schemathesis")).with_name("schemathesis"))
    report = api.folder / "report.json"
    command = [
        *(program, "run", str(DOCUMENT), "--url", api.url, "--header", f"x-api-key: {api.key}"),
        *("--checks", "all", "--exclude-checks", ",".join(LEFT_OUT)),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--generation-database", "none", "--request-timeout", "60"),
        *("--continue-on-failure", "--no-color", "--report", "json", "--report-json-path", str(report)),
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=api.folder)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
