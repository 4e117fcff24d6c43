"""Which engine an instance or a cluster is of, by RDS's name for it: `postgres`, `aurora-postgresql`, `sqlserver-se`."""

import re
from typing import Final

from dbrestore.contract.manifest import Engine

# SQL Server's names end with the edition. RDS Custom's begin otherwise: they are other engines.
ENGINES: Final[dict[Engine, str]] = {"postgres": "postgres|aurora-postgresql", "sqlserver": "sqlserver-.*"}


def of_instance(name: str) -> Engine | None:
    """The engine without its edition; None if it is none of ours."""
    return next((engine for engine, names in ENGINES.items() if re.fullmatch(names, name)), None)


def is_aurora(name: str) -> bool:
    """Whether the storage belongs to the cluster and grows by itself."""
    return name.startswith("aurora")
