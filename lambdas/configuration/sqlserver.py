"""The SQL Server configuration: what an installation wants of every restore into SQL Server, in one file that is deployed with the
functions. A request that says something else has the last word."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from dbrestore.contract.document import Document
from dbrestore.contract.errors import SqlServerConfigurationInvalid
from dbrestore.contract.request import Mode
from lambdas.configuration import files as configuration_file

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "sqlserver.json"

CheckPolicy = Literal["never", "drills", "always"]
EXPECTED = {"checkDatabase": "must be never, drills or always"}


class SqlServerConfiguration(Document):
    """The file `configuration/sqlserver.json`. Editors read `$schema`, people `Comment`; both are ignored."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    check_database: CheckPolicy = Field(
        default="never",
        description="When DBCC CHECKDB runs before a restore is green, unless the request sets it (sqlserver.checkDatabase).",
    )

    def checks(self, mode: Mode) -> bool:
        """Whether a restore in this mode runs DBCC CHECKDB."""
        return self.check_database == "always" or (self.check_database == "drills" and mode == "drill")


def deployed(path: str | None = None) -> SqlServerConfiguration:
    """The file that came with the code, or the one at `path`; read once per process. Raises SqlServerConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> SqlServerConfiguration:
    return read(path)


def read(path: Path) -> SqlServerConfiguration:
    """Raises SqlServerConfigurationInvalid, one line per problem: `sqlserver.json#<JSON pointer>: <what to write instead>`."""
    return configuration_file.read(
        path, SqlServerConfiguration, SqlServerConfigurationInvalid, expected=EXPECTED, contradictions=lambda _: ()
    )
