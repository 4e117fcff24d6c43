"""The extension configuration: which extensions a dump may create in this installation, in one file that is deployed with the functions.

An extension is created by the master user, and some let whoever may call them reach other hosts, databases or files. So only those that
are named here, or in the default list, are created.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from dbrestore.contract.allowed.extensions import DEFAULT_EXTENSIONS
from dbrestore.contract.document import Document
from dbrestore.contract.errors import ExtensionConfigurationInvalid
from lambdas.configuration import files as configuration_file

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "extensions.json"

ExtensionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*$", max_length=63)]
_NAME = "must be the name of an extension, like pg_trgm or uuid-ossp"
EXPECTED = {"only": _NAME, "also": _NAME, "not": _NAME}


class ExtensionConfiguration(Document):
    """The file `configuration/extensions.json`. Editors read `$schema`, people `Comment`; both are ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    only: tuple[ExtensionName, ...] | None = Field(default=None, description="Only these; without it, the default list applies.")
    also: tuple[ExtensionName, ...] = Field(default=(), description="These in addition to the default list.")
    not_: tuple[ExtensionName, ...] = Field(default=(), alias="not", description="The default list without these.")

    @property
    def allowed(self) -> frozenset[str]:
        """What a dump may create."""
        if self.only is not None:
            return frozenset(self.only)
        return frozenset(DEFAULT_EXTENSIONS).union(self.also).difference(self.not_)


def deployed(path: str | None = None) -> ExtensionConfiguration:
    """The file that came with the code, or the one at `path`; read once per process. Raises ExtensionConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> ExtensionConfiguration:
    return read(path)


def read(path: Path) -> ExtensionConfiguration:
    """Raises ExtensionConfigurationInvalid, one line per problem: `extensions.json#<JSON pointer>: <what to write instead>`."""
    return configuration_file.read(
        path,
        ExtensionConfiguration,
        ExtensionConfigurationInvalid,
        expected=EXPECTED,
        contradictions=_contradictions,
    )


def _contradictions(values: Any) -> Iterator[tuple[configuration_file.Place, str]]:
    lists = {key: values[key] for key in EXPECTED if isinstance(values, dict) and isinstance(values.get(key), list)}
    for key, names in lists.items():
        for n, name in enumerate(names):
            if name in names[:n]:
                yield (key, n), f"{name!r} is listed twice: name it once"
    if "only" in lists:
        for key in ("also", "not"):
            if lists.get(key):
                yield (
                    (key,),
                    "can't be combined with only, which is the whole list: put everything there, or leave only out",
                )
        return
    for n, name in enumerate(lists.get("not", [])):
        if name in lists.get("also", []):
            yield ("not", n), f"{name!r} is listed under also too: name it in one of them"
        elif name not in DEFAULT_EXTENSIONS:
            # A slip of the pen here would go on allowing what was to be forbidden.
            yield ("not", n), f"{name!r} is not in the default list: correct the name, or leave it out"
