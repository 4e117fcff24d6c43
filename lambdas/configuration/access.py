"""Who may ask for what over HTTP: callers, and rules of who may do what where, in one file that is deployed with the functions.

It holds no secret. Without a caller or a hook there is no API. Whoever may start the state machine itself is IAM's to say, not this file's.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from dbrestore.contract.document import Document
from dbrestore.contract.errors import AccessConfigurationInvalid
from dbrestore.contract.request import AccountId, Region
from lambdas.configuration import caller_names, hooks
from lambdas.configuration import files as configuration_file
from lambdas.configuration.caller_names import CallerName
from lambdas.configuration.files import Place
from lambdas.configuration.hooks import Hook

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "access.json"

Action = Literal["read", "plan", "restore", "cancel", "drill", "approve"]
# fnmatch's own brackets would make surprising patterns of database names.
InstancePattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*?-]{1,63}$")]
DatabasePattern = Annotated[str, StringConstraints(pattern=r"^[^\[\]]{1,128}$")]
CallerPattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9*?-]{1,32}$")]
RoleArn = Annotated[str, StringConstraints(max_length=600, pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[A-Za-z0-9_+=,.@/-]+$")]
Approval = Literal["none", "second-person", "second-person-to-replace"]
# What could do more than restore: log in with another secret, stand in another network, show rows, give rights, take a database's name.
Wish = Literal["credentials", "worker", "checks", "owners", "replace"]

_INSTANCES: Final = "must be the name of an instance, where * stands for any characters and ? for one, like orders-*"
_DATABASES: Final = "must be the name of a database, where * stands for any characters and ? for one, without brackets"
EXPECTED: Final = {
    **hooks.EXPECTED,
    "name": caller_names.EXPECTED,
    "by": "must be apiKey, oauth or iam",
    "principal": "must be the ARN of a role or user of IAM, like arn:aws:iam::123456789012:role/dba",
    "callers": "must be a caller's name, where * stands for any characters and ? for one, like ticket-*",
    "may": "must be read, plan, restore, cancel, drill or approve",
    "sources": _INSTANCES,
    "targets": _INSTANCES,
    "databases": _DATABASES,
    "accounts": "must be an account's 12 digits",
    "regions": "must be a Region, like eu-central-1",
    "wishes": "must be credentials, worker, checks, owners or replace",
    "approval": "must be none, second-person or second-person-to-replace",
    "protected": _DATABASES,
    "approvalHours": "must be hours from 1 to 168",
    "requestsPerSecond": "must be a number of requests from 0.1 to 100",
    "requestsPerDay": "must be a number of requests from 1 to 1000000",
}


class Caller(Document):
    """One who may call, by name; rules say what. `by`: with an API key of its own, with OAuth 2 client credentials of its own, or with the
    credentials of a role or user of IAM (`principal`). How often is bounded for API keys."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    name: CallerName
    by: Literal["apiKey", "oauth", "iam"]
    principal: RoleArn | None = Field(default=None, description="Only with iam: the role or user.")
    requests_per_second: float = Field(default=5, ge=0.1, le=100)
    requests_per_day: int = Field(default=2000, ge=1, le=1_000_000)


class AccessRule(Document):
    """Which callers may do what with what: everything must fit. `sources` are the instances that were backed up, `targets` those that are
    restored into, `databases` the names in the restore point and those that they get. `accounts` and `regions` are the target's; without
    them any. `approval` second-person: such a restore waits until somebody else, who has `approve`, has approved it;
    second-person-to-replace: only one that takes the name of a database, which the wish `replace` is for."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    callers: tuple[CallerPattern, ...] = Field(min_length=1, max_length=100)
    may: tuple[Action, ...] = Field(min_length=1, max_length=6)
    sources: tuple[InstancePattern, ...] = Field(default=("*",), min_length=1, max_length=100)
    targets: tuple[InstancePattern, ...] = Field(min_length=1, max_length=100)
    databases: tuple[DatabasePattern, ...] = Field(default=("*",), min_length=1, max_length=100)
    accounts: tuple[AccountId, ...] | None = Field(default=None, min_length=1, max_length=100)
    regions: tuple[Region, ...] | None = Field(default=None, min_length=1, max_length=40)
    wishes: tuple[Wish, ...] = Field(
        default=(), max_length=5, description="Keys of a request that may be set beside those that say what is restored from where."
    )
    approval: Approval = "none"
    approval_hours: int = Field(default=24, ge=1, le=168, description="How long such a restore waits for it.")


class AccessConfiguration(Document):
    """The file `configuration/access.json`. Editors read `$schema`, people `Comment`; both are ignored. Of the rules that let a caller do
    something the first counts; what none allows is refused."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    callers: tuple[Caller, ...] = Field(default=(), max_length=100)
    hooks: tuple[Hook, ...] = Field(default=(), max_length=20, description="Signed webhooks, each a caller by its name.")
    rules: tuple[AccessRule, ...] = Field(default=(), max_length=200)
    protected: tuple[DatabasePattern, ...] = Field(
        default=(), max_length=100, description="Names of databases that nobody replaces without a second person, whatever a rule says."
    )

    @property
    def names(self) -> tuple[str, ...]:
        """All callers and hooks by name."""
        return (*(caller.name for caller in self.callers), *(hook.name for hook in self.hooks))

    def named(self, name: str) -> Caller | None:
        """The caller of this name."""
        return next((caller for caller in self.callers if caller.name == name), None)

    def hook(self, name: str) -> Hook | None:
        """The hook of this name."""
        return next((hook for hook in self.hooks if hook.name == name), None)

    @property
    def hook_secrets(self) -> tuple[str, ...]:
        """The ARNs of all secrets that hooks are signed with."""
        return tuple(dict.fromkeys(arn for hook in self.hooks for arn in hook.secrets))


def deployed(path: str | None = None) -> AccessConfiguration:
    """The file that came with the code, or the one at `path`; read once per process. Raises AccessConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> AccessConfiguration:
    return read(path)


def read(path: Path) -> AccessConfiguration:
    """Raises AccessConfigurationInvalid, one line per problem: `access.json#<JSON pointer> (<caller>): <what to write instead>`."""
    return configuration_file.read(
        path,
        AccessConfiguration,
        AccessConfigurationInvalid,
        expected=EXPECTED,
        contradictions=_contradictions,
        label=_label,
    )


def _listed(values: Any, key: str) -> list[Any]:
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, list) else []


def _label(place: Place, values: Any) -> str:
    """` (servicenow)` for everything in a caller or a hook that has a name."""
    n = place[1] if len(place) > 1 and place[0] in ("callers", "hooks") else None
    caller = _listed(values, str(place[0]))[n] if isinstance(n, int) else None
    name = caller.get("name") if isinstance(caller, dict) else None
    return f" ({name})" if isinstance(name, str) and name else ""


def _contradictions(values: Any) -> Iterator[tuple[Place, str]]:
    """Place and sentence. Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    callers, declared = ([(n, one) for n, one in enumerate(_listed(values, key)) if isinstance(one, dict)] for key in ("callers", "hooks"))
    yield from _of_callers(callers)
    names = [one["name"] for _, one in callers if isinstance(one.get("name"), str)]
    yield from hooks.flaws(declared, names)
    names += [one["name"] for _, one in declared if isinstance(one.get("name"), str)]
    for n, rule in enumerate(_listed(values, "rules")):
        if isinstance(rule, dict):
            yield from ((("rules", n, *place), sentence) for place, sentence in _of_rule(rule, names))


def _of_callers(callers: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[Place, str]]:
    taken: dict[tuple[str, Any], int] = {}
    for n, caller in callers:
        for key in ("name", "principal"):
            value = caller.get(key)
            if isinstance(value, str) and taken.setdefault((key, value), n) != n:
                yield ("callers", n, key), f"is that of callers/{taken[key, value]} too: who calls could not be told apart"
        if caller.get("by") == "iam" and not caller.get("principal"):
            yield ("callers", n, "principal"), "is missing: say which role or user of IAM it is"
        if caller.get("by") in ("apiKey", "oauth") and caller.get("principal"):
            yield ("callers", n, "principal"), "is of callers with iam alone: leave it out"


def _of_rule(rule: Mapping[str, Any], names: list[str]) -> Iterator[tuple[Place, str]]:
    patterns = rule.get("callers")
    for n, pattern in enumerate(patterns if isinstance(patterns, list) else []):
        if isinstance(pattern, str) and not any(fits(name, (pattern,)) for name in names):
            yield ("callers", n), f"{pattern!r} fits no caller of this file: write one's name, or add the caller"
    allowed = rule.get("may")
    if rule.get("approval") in ("second-person", "second-person-to-replace") and isinstance(allowed, list) and "restore" not in allowed:
        yield ("approval",), "is of restores alone, and the rule lets nobody restore: add restore to may, or leave it out"


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns is for this name. Case counts, as it does for databases of PostgreSQL."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
