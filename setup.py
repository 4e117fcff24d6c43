"""The one step of the build that pyproject.toml has no words for: a wheel carries the fingerprints of the source tree it was made from.

`dbrestore doctor` compares them with what is deployed; an installed package has neither the functions nor the definition to read them from.
"""

import json
import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# The build's own interpreter doesn't look here.
sys.path.insert(0, str(ROOT))

from dbrestore.contract.deployed import versions  # noqa: E402


class BuildWithFingerprints(build_py):  # type: ignore[misc]  # setuptools has no types for it
    """Writes dbrestore/cli/fingerprints.json among the built files, never into the source tree."""

    def run(self) -> None:
        """An editable install needs none: the source tree is there."""
        if self.editable_mode:
            super().run()
            return
        # What an earlier build left there would go into this wheel, modules that are gone by now among it.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if versions.is_source_tree(ROOT):
            stamp = {"version": versions.NUMBER, **versions.of_tree(ROOT)}
            path = Path(self.build_lib, "dbrestore", "cli", "fingerprints.json")
            path.write_text(json.dumps(stamp, indent=2) + "\n")


setup(cmdclass={"build_py": BuildWithFingerprints})
