"""Functions make points of what arrives in S3, and their layer has none of the libraries that read rows or recompute checksums."""

import subprocess
import sys

HEAVY = ("lz4", "zstandard", "isal", "xxhash", "numpy", "psycopg")


def test_nothing_here_needs_what_the_layer_lacks() -> None:
    modules = ("sqlserver", "postgresql", "discovery")
    look = "import sys\n" + "".join(f"import dbrestore.points.in_s3.{module}\n" for module in modules)

    done = subprocess.run(
        [sys.executable, "-c", f"{look}print([name for name in {HEAVY} if name in sys.modules])"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
