"""The rules of adoption: what of which bucket becomes a restore point of which instance; a file that is deployed with the functions."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from dbrestore.contract.adoption import patterns
from dbrestore.contract.adoption.patterns import Pattern
from dbrestore.contract.adoption.rules import AdoptionConfiguration, AdoptionRule
from dbrestore.contract.allowed.reading_places import ReadingPlace
from dbrestore.contract.errors import AdoptionConfigurationInvalid
from dbrestore.contract.manifest import Engine
from lambdas.configuration import files as configuration_file
from lambdas.configuration.files import Place

# Beside the code, in a checkout as in the functions' archive.
DEPLOYED = Path(__file__).parents[2] / "configuration" / "adoption.json"

Problem = tuple[Place, str]
_INSTANCE: Final = "must be the name of an RDS instance, like orders-prod"
EXPECTED: Final = {
    "name": "must be 1 to 48 lower-case letters, digits and -, like nightly-dumps",
    "bucket": "must be the name of a bucket, without s3:// and without a key",
    "pattern": "must be a key with placeholders, like nightly/{run}/{database}.dump",
    "instance": _INSTANCE,
    "dbInstance": _INSTANCE,
    "engine": "must be postgres or sqlserver",
    "settleMinutes": "must be minutes from 1 to 1440",
    "withinDays": "must be days from 1 to 365",
    "lookHours": "must be hours from 1 to 168",
    "chainHours": "must be hours from 1 to 720",
    "account": "must be an account's 12 digits",
    "region": "must be a Region, like eu-central-1",
    "kmsKey": "must be the ARN of a KMS key (arn:aws:kms:<Region>:<account>:key/<id>): policies can't name a key by its alias",
    "requesterPays": "must be true or false",
    "inPlace": "must be true or false",
}
# What a pattern of this engine can't have, and what to write instead.
ENGINES: Final[dict[Engine, Mapping[str, str]]] = {
    "postgres": {},
    "sqlserver": {
        "{database}": "has {database}, but native backups say themselves which database they are of: write * instead",
        "{run}": "has {run}, but native backups say themselves what belongs together: write * instead",
    },
}


def deployed(path: str | None = None) -> AdoptionConfiguration:
    """The file that came with the code, or the one at `path`; read once per process. Raises AdoptionConfigurationInvalid."""
    return _cached(Path(path) if path else DEPLOYED)


@cache
def _cached(path: Path) -> AdoptionConfiguration:
    return read(path)


def read(path: Path) -> AdoptionConfiguration:
    """Raises AdoptionConfigurationInvalid, one line per problem: `adoption.json#<JSON pointer> (<rule>): <what to write instead>`."""
    return configuration_file.read(
        path,
        AdoptionConfiguration,
        AdoptionConfigurationInvalid,
        expected=EXPECTED,
        contradictions=_contradictions,
        label=_label,
    )


def require_places(rules: Sequence[AdoptionRule], places: Sequence[ReadingPlace]) -> None:
    """Raises AdoptionConfigurationInvalid for rules whose points no restore could read, because what they mean isn't declared."""
    problems = [(n, rule, sentence) for n, rule in enumerate(rules) if rule.in_place and (sentence := _not_readable(rule, places))]
    if problems:
        raise AdoptionConfigurationInvalid(
            "\n".join(f"adoption.json#/rules/{n}/inPlace ({rule.name}): {sentence}" for n, rule, sentence in problems)
        )


def _not_readable(rule: AdoptionRule, places: Sequence[ReadingPlace]) -> str | None:
    around = [place for place in places if rule.uri.startswith(place.uri) and not place.copy_only]
    if not around:
        return (
            f"restores may not read all of {rule.uri}*: name bucket and prefix in in_place.json, without copyOnly, or leave out inPlace, "
            "and the backups are copied"
        )
    if rule.kms_key and rule.kms_key not in [place.kms_key for place in around]:
        return f"restores may not use {rule.kms_key}: name it as the kmsKey of the place in in_place.json, too"
    return None


def _rules(values: Any) -> list[Any]:
    rules = values.get("rules") if isinstance(values, dict) else None
    return rules if isinstance(rules, list) else []


def _label(place: Place, values: Any) -> str:
    """` (nightly-dumps)` for everything in a rule that has a name."""
    n = place[1] if len(place) > 1 else None
    rules = _rules(values)
    rule = rules[n] if isinstance(n, int) and n < len(rules) else None
    name = rule.get("name") if isinstance(rule, dict) else None
    return f" ({name})" if isinstance(name, str) and name else ""


def _contradictions(values: Any) -> Iterator[Problem]:
    """Place and sentence. Looks at the JSON itself, so that it finds them beside values of a wrong form."""
    taken: dict[str, int] = {}
    read: dict[int, tuple[str, Pattern]] = {}
    for n, rule in enumerate(_rules(values)):
        if not isinstance(rule, dict):
            continue
        name = rule.get("name")
        if isinstance(name, str) and taken.setdefault(name, n) != n:
            yield ("rules", n, "name"), f"is the name of rules/{taken[name]} too: give one of them another"
        pattern, problems = _pattern(rule)
        yield from ((("rules", n, *place), sentence) for place, sentence in (*problems, *_of_engine(rule)))
        if pattern:
            read[n] = (str(rule.get("bucket")), pattern)
    yield from _of_two(read)


def _pattern(rule: Mapping[str, Any]) -> tuple[Pattern | None, list[Problem]]:
    text = rule.get("pattern")
    if not isinstance(text, str) or not text:
        return None, []
    try:
        return patterns.parse(text), []
    except ValueError as error:
        return None, [(("pattern",), str(error))]


def _of_engine(rule: Mapping[str, Any]) -> Iterator[Problem]:
    text, engine = rule.get("pattern"), rule.get("engine")
    unfit = ENGINES.get(engine, {}) if isinstance(engine, str) else {}  # type: ignore[call-overload]
    if not isinstance(text, str):
        return
    yield from ((("pattern",), sentence) for place, sentence in unfit.items() if place in text)
    if unfit and text.endswith("/"):
        yield ("pattern",), "means directories, and a native backup is a file: end it with the files' suffix, like *.bak"
    if not unfit and "chainHours" in rule:
        yield ("chainHours",), "is for native backups, whose logs follow a full one: leave it out"
    if rule.get("inPlace") is True and rule.get("requesterPays") is True:
        yield ("inPlace",), "would have each restore pay for its reading: leave out inPlace, and the backups are copied once"
    near = rule.get("near")
    if isinstance(near, dict) and "credentials" in near:
        yield ("near", "credentials"), "aren't needed, for nobody logs in there: leave them out"


def _of_two(read: Mapping[int, tuple[str, Pattern]]) -> Iterator[Problem]:
    """An object becomes a point of one rule, or of none."""
    for (n, (bucket, pattern)), (m, (other_bucket, other)) in combinations(read.items(), 2):
        if bucket == other_bucket and (key := pattern.meets(other)) is not None:
            yield (
                ("rules", m, "pattern"),
                f"means objects that rules/{n} means too, {key!r} for one: narrow one of the two, so that each object is one rule's",
            )
