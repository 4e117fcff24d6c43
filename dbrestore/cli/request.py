"""From the command line to the request that the state machine takes: names of databases, the request, the execution's name."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems, read

LISTS = ("subnetIds", "securityGroupIds", "instanceTypes")


@dataclass(frozen=True)
class Target:
    """The instance that is restored into. `account` and `region` if they aren't the control plane's; `credentials`, by reference, with the
    request's own keys."""

    instance: str
    account: str | None = None
    region: str | None = None
    credentials: Mapping[str, Any] | None = None

    def values(self) -> dict[str, Any]:
        """As the request has it."""
        return {"dbInstance": self.instance, "account": self.account, "region": self.region, "credentials": self.credentials}


def build(
    target: Target,
    databases: list[str],
    *,
    source: str | None,
    point: str,
    mode: str,
    on_conflict: str,
    reason: str | None,
    tier: str = "Standard",
    sqlserver: Mapping[str, Any] | None = None,
    worker: Sequence[str] = (),
    choices: Mapping[str, Any] | None = None,
) -> RestoreRequest:
    """The request of one command. `databases` are `NAME` or `NAME=NEW`; `source` is the backed-up instance if it isn't the target;
    `tier` is how archived files are retrieved. With the request's own keys: `sqlserver`, for SQL Server alone; `choices` for PostgreSQL.
    `worker`: `KEY=VALUE`.

    Raises what PlanRestore would raise of the request alone (RestoreRequestInvalid, NotSupportedYet), one line per problem.
    """
    values: dict[str, Any] = {
        "target": target.values(),
        "source": {"dbInstance": source, "restorePoint": point},
        "databases": [_named(text) for text in databases],
        "archive": {"tier": tier},
        "mode": mode,
        "onConflict": on_conflict,
        "reason": reason,
        "sqlserver": dict(sqlserver or {}),
        "worker": worker_wishes(worker),
        **(choices or {}),
    }
    problems = Problems()
    asked = read(values, problems)
    problems.raise_if_any()
    # Without a request there is a problem, and with a problem the line before raised.
    return cast(RestoreRequest, asked)


def worker_wishes(options: Sequence[str]) -> dict[str, Any]:
    """`worker` of a request from `KEY=VALUE`: lists have commas between their items, a tag is `tags.NAME=VALUE`. Values stay text: the
    request's own types read them. Raises RestoreRequestInvalid for what isn't a pair or is given twice."""
    wishes: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not (key and equals):
            raise RestoreRequestInvalid(f"--worker {option!r}: write KEY=VALUE, such as volumeGib=40 or tags.team=dba")
        into, name = (wishes.setdefault("tags", {}), key[5:]) if key.startswith("tags.") else (wishes, key)
        if name in into:
            raise RestoreRequestInvalid(f"--worker {option!r}: {key} is given twice: separate the items of a list with commas")
        into[name] = value.split(",") if name in LISTS and into is wishes else value
    return wishes


def split_names(text: str, option: str = "-d", form: str = "NAME or NAME=NEW") -> tuple[str, str | None]:
    """`NAME` or `NAME=NEW`. Inside a name `\\=` is an equals sign and `\\\\` a backslash; every other character stands for itself."""
    names = [""]
    for part in re.findall(r"\\[\\=]|=|[^=\\]+|\\", text):
        if part == "=":
            names.append("")
        else:
            names[-1] += part[1:] if part in ("\\=", "\\\\") else part
    if len(names) > 2 or "" in names:
        raise RestoreRequestInvalid(f"{option} {text!r}: write {form}, neither of them empty; an equals sign inside a name is written \\=")
    return names[0], names[1] if len(names) == 2 else None


def execution_name(request: RestoreRequest, now: datetime | None = None) -> str:
    """`restore-<target>-<utc>-<hash8>`, at most 80 characters. Two different requests never share a
    name; the same request twice within one second does, and Step Functions then starts it once."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(f"{moment}{request.input_text()}".encode()).hexdigest()[:8]
    target = request.target.db_instance[: 80 - len(f"{request.mode}---{moment}{digest}")]
    return f"{request.mode}-{target}-{moment}-{digest}"


def _named(text: str) -> dict[str, str]:
    name, new = split_names(text)
    return {"name": name, "as": new} if new else {"name": name}
