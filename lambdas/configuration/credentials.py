"""The credential configuration: with which credentials restores log in to which instances, in one file that is deployed with the functions.

It names secrets and users, and never holds a password. A request that names credentials of its own has the last word.
"""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from dbrestore.contract.allowed import credentials as allowed
from dbrestore.contract.allowed.credentials import INSTANCE_PLACE, IamUser, SecretArn, SecretName
from dbrestore.contract.document import Document
from dbrestore.contract.errors import CredentialConfigurationInvalid
from dbrestore.contract.request import AccountId, Region
from lambdas.configuration import files as configuration_file

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "credentials.json"

InstancePattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*?-]{1,63}$")]
_WHICH: Final = ("dbInstance", "tag")
_WHAT: Final = ("secretArn", "secretName", "iamUser")
EXPECTED: Final = {
    **allowed.EXPECTED,
    "dbInstance": "must be the name of an instance, where * stands for any characters and ? for one, like orders-*",
    "secretName": f"must be the name of a secret, where {INSTANCE_PLACE} stands for the instance's, like restore/{INSTANCE_PLACE}",
    "account": "must be an account's 12 digits",
    "region": "must be a Region, like eu-central-1",
}


class InstanceTag(Document):
    """A tag that the instance has."""

    key: str = Field(min_length=1, max_length=128)
    value: str = Field(max_length=256)


class CredentialRule(Document):
    """For which instances which credentials. Everything that says which must fit; `account` and `region` are the target's."""

    comment: Any = Field(default=None, alias="Comment", exclude=True)
    db_instance: InstancePattern | None = Field(
        default=None, description="The instance's name; * stands for any characters, ? for one. Case doesn't count."
    )
    tag: InstanceTag | None = Field(default=None, description="A tag of the instance.")
    account: AccountId | None = Field(default=None, description="Only for targets in this account.")
    region: Region | None = Field(default=None, description="Only for targets in this Region.")
    secret_arn: SecretArn | None = Field(
        default=None, description='A secret of the target\'s account and Region: JSON {"username": ..., "password": ...}.'
    )
    secret_name: SecretName | None = Field(
        default=None, description="The same by its name; {dbInstance} stands for the name of the instance."
    )
    iam_user: IamUser | None = Field(
        default=None, description="PostgreSQL: a user of the database that has rds_iam, for instances with IAM database authentication."
    )

    def fits(self, db_instance: str, tags: Mapping[str, str], account: str, region: str) -> bool:
        """Whether the rule is for this instance."""
        return (
            (self.db_instance is None or fnmatchcase(db_instance.lower(), self.db_instance.lower()))
            and (self.tag is None or tags.get(self.tag.key) == self.tag.value)
            and self.account in (None, account)
            and self.region in (None, region)
        )

    def secret_of(self, db_instance: str) -> str:
        """The secret's ARN or name; empty if the rule names a user of IAM."""
        return self.secret_arn or (self.secret_name or "").replace(INSTANCE_PLACE, db_instance)


class CredentialConfiguration(Document):
    """The file `configuration/credentials.json`. Editors read `$schema`, people `Comment`; both are ignored. The first rule that fits
    counts."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    comment: Any = Field(default=None, alias="Comment", exclude=True)
    rules: tuple[CredentialRule, ...] = Field(default=(), max_length=500)

    def rule_for(self, db_instance: str, tags: Mapping[str, str], account: str, region: str) -> tuple[int, CredentialRule] | None:
        """The first rule that fits, with its number, counted from 1."""
        return next((one for one in enumerate(self.rules, 1) if one[1].fits(db_instance, tags, account, region)), None)


def deployed(path: str | None = None) -> CredentialConfiguration:
    """The file that came with the code, or the one at `path`; read once per process. Raises CredentialConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> CredentialConfiguration:
    return read(path)


def read(path: Path) -> CredentialConfiguration:
    """Raises CredentialConfigurationInvalid, one line per problem: `credentials.json#<JSON pointer>: <what to write instead>`."""
    return configuration_file.read(
        path, CredentialConfiguration, CredentialConfigurationInvalid, expected=EXPECTED, contradictions=_contradictions
    )


def _contradictions(values: Any) -> Iterator[tuple[configuration_file.Place, str]]:
    """Place and sentence. Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    taken: dict[str, int] = {}
    rules = values.get("rules") if isinstance(values, dict) else None
    for n, rule in enumerate(rules if isinstance(rules, list) else []):
        if not isinstance(rule, dict):
            continue
        which = json.dumps([rule.get(key) for key in (*_WHICH, "account", "region")], sort_keys=True).lower()
        if which in taken:
            yield ("rules", n), f"is for the same instances as rules/{taken[which]}, which counts: put both into one"
        taken.setdefault(which, n)
        yield from ((("rules", n, *place), sentence) for place, sentence in _of_rule(rule))


def _of_rule(rule: Mapping[str, Any]) -> Iterator[tuple[configuration_file.Place, str]]:
    if not any(rule.get(key) for key in _WHICH):
        yield (), "says of no instance that it is for it: give dbInstance (* for all) or tag"
    given = [key for key in _WHAT if rule.get(key)]
    if len(given) != 1:
        told = "names no credentials" if not given else f"names {' and '.join(given)}"
        yield (), f"{told}: give one of {', '.join(_WHAT)}"
    arn = rule.get("secretArn")
    if isinstance(arn, str) and arn.count(":") == 6:
        for key, value in zip(("region", "account"), allowed.place_of(arn), strict=True):
            if rule.get(key) not in (None, value):
                yield (
                    (key,),
                    f"is {rule[key]}, but the secret is of {value}: a worker can read only secrets of the target's account and Region",
                )
