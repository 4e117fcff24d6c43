"""The extensions of the asked databases against those that this installation allows. Which of them the server offers, only the worker
sees."""

from collections.abc import Iterator, Sequence

from dbrestore.contract import limits
from dbrestore.contract.errors import ExtensionNotAllowed
from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.contract.request_problems import Problems
from lambdas.configuration import extensions as extension_configuration
from lambdas.lookup.source import Asked
from lambdas.planning.findings import Findings, listed


def allowed(found: Findings, asked: Sequence[Asked[DatabaseBackup]], problems: Problems) -> tuple[str, ...]:
    """Those that the dumps create and the configuration allows. Others are a problem, all of a database at once, unless the request lets
    them be left out."""
    path = found.surroundings.settings.extension_configuration
    permitted = problems.collect("/extensions", lambda: extension_configuration.deployed(path).allowed) or frozenset()
    may_skip = found.request.extensions == "skip-missing" or found.request.on_unrestorable == "skip"
    for one in asked:
        refused = sorted(_names(one.backup) - permitted)
        if refused and not may_skip:
            told = f"creates the extensions {listed(refused, limits.NAMED_IN_REFUSALS)}, which this installation does not allow"
            fix = "leave them out with extensions skip-missing, or have them added to configuration/extensions.json"
            problems.add(ExtensionNotAllowed, one.pointer, f"{one.backup.name!r} {told}: {fix}")
    return tuple(sorted(permitted.intersection(name for one in asked for name in _names(one.backup))))


def notes(backup: DatabaseBackup, chosen: PostgresOptions) -> Iterator[str]:
    """What will be left out for certain, and what the server may lack."""
    names = _names(backup)
    if refused := sorted(names.difference(chosen.allowed_extensions)):
        yield f"left out, with what depends on them: the extensions {listed(refused)}, which this installation does not allow"
    if (chosen.skip_missing_extensions or chosen.skip_unrestorable) and names.intersection(chosen.allowed_extensions):
        others = listed(sorted(names.intersection(chosen.allowed_extensions)))
        yield f"left out, with what depends on them, if the server does not offer them: the extensions {others}"


def _names(backup: DatabaseBackup) -> frozenset[str]:
    return frozenset(extension.name for extension in backup.extensions)
