"""Whether a caller may do something: a pure function of the access configuration and of what is asked, with its reason in words."""

from collections.abc import Iterator
from dataclasses import dataclass

from lambdas.configuration.access import AccessConfiguration, AccessRule, Action, Wish, fits


@dataclass(frozen=True)
class Asked:
    """What a caller wants to do. What is None, or empty, plays no part in it: a look at restore points has no target. `replaces`:
    the names of databases that others may bear, and would lose."""

    caller: str
    action: Action
    source: str | None = None
    target: str | None = None
    account: str | None = None
    region: str | None = None
    databases: tuple[str, ...] = ()
    wishes: tuple[Wish, ...] = ()
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Permission:
    """The answer, and its reason in one sentence. `approval_hours`: how long a second person has to approve it; None if nobody has to."""

    granted: bool
    reason: str
    approval_hours: int | None = None


def of(access: AccessConfiguration, asked: Asked) -> Permission:
    """The first rule that lets the caller do all of it counts; without one the answer is no, and names what no rule is for."""
    rules = [(n, rule) for n, rule in enumerate(access.rules, 1) if fits(asked.caller, rule.callers) and asked.action in rule.may]
    for n, rule in rules:
        if not any(_missing(rule, asked)):
            hours = rule.approval_hours if asked.action == "restore" and _needs_another(access, rule, asked) else None
            return Permission(True, f"rule {n} of access.json lets {asked.caller} {asked.action}{_what(asked)}", hours)
    if not rules:
        return Permission(False, f"no rule of access.json lets {asked.caller} {asked.action}: ask the operator of this installation")
    return Permission(False, _refusal(asked, [rule for _, rule in rules]))


def _needs_another(access: AccessConfiguration, rule: AccessRule, asked: Asked) -> bool:
    if rule.approval == "second-person":
        return True
    return bool(asked.replaces) and (
        rule.approval == "second-person-to-replace" or any(fits(name, access.protected) for name in asked.replaces)
    )


def _what(asked: Asked) -> str:
    what = f" {', '.join(asked.databases)}" if asked.databases else ""
    return what + (f" of {asked.source}" if asked.source else "") + (f" into {asked.target}" if asked.target else "")


def _missing(rule: AccessRule, asked: Asked) -> Iterator[str]:
    """What of it the rule is not for, in the order in which a person would look."""
    if asked.target is not None and not fits(asked.target.lower(), _lower(rule.targets)):
        yield f"the target {asked.target}"
    if asked.account is not None and rule.accounts is not None and asked.account not in rule.accounts:
        yield f"the account {asked.account}"
    if asked.region is not None and rule.regions is not None and asked.region not in rule.regions:
        yield f"the Region {asked.region}"
    if asked.source is not None and not fits(asked.source.lower(), _lower(rule.sources)):
        yield f"the source {asked.source}"
    yield from (f"the database {name}" for name in asked.databases if not fits(name, rule.databases))
    yield from (f"the key {wish}" for wish in asked.wishes if wish not in rule.wishes)


def _lower(patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pattern.lower() for pattern in patterns)


def _refusal(asked: Asked, rules: list[AccessRule]) -> str:
    lacking = [tuple(_missing(rule, asked)) for rule in rules]
    # What none of them is for; if each part has a rule of its own, the parts of the nearest one.
    never = [what for what in lacking[0] if all(what in others for others in lacking)] or [*min(lacking, key=len)]
    rest = f" and {len(never) - 5} more" if len(never) > 5 else ""
    told = f"no rule of access.json that lets {asked.caller} {asked.action} is for {', '.join(never[:5])}{rest}"
    return f"{told}: ask the operator of this installation"
