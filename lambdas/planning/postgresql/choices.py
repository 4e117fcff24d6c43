"""What a request chose for its PostgreSQL databases, held against the restore point: the options that the worker gets, and what a person
must know of them before anything exists.
"""

from collections.abc import Iterator, Sequence

from dbrestore.contract import form_problems, limits
from dbrestore.contract.allowed import encodings, role_names
from dbrestore.contract.errors import RestoreRequestInvalid
from dbrestore.contract.job import PostgresOptions
from dbrestore.contract.manifest import DatabaseBackup
from dbrestore.contract.request import RestoreRequest
from dbrestore.contract.request_problems import Problems
from lambdas.lookup.source import Asked
from lambdas.planning.findings import Findings, listed
from lambdas.planning.postgresql import extensions

Databases = Sequence[Asked[DatabaseBackup]]


def options(found: Findings, asked: Databases, problems: Problems) -> PostgresOptions:
    """The worker's options. What can't be is a problem, with its place in the request."""
    request = found.request
    _check_owners(found, problems)
    _check_text(request, asked, problems)
    return PostgresOptions(
        owners=request.owners or {},
        keep_owners=request.owners is None and is_of_the_target(found),
        create_missing_roles=request.roles == "create-missing",
        allowed_extensions=extensions.allowed(found, asked, problems),
        skip_missing_extensions=request.extensions == "skip-missing",
        skip_unrestorable=request.on_unrestorable == "skip",
        encoding=encodings.canonical(request.encoding) if request.encoding else None,
        locale=request.locale,
        verify=request.verify or ("content" if _size(asked) <= found.surroundings.bounds.content_up_to_bytes else "counts"),
    )


def is_of_the_target(found: Findings) -> bool:
    """Whether the restore point is of the instance that is restored into: then its roles are the target's own."""
    instance, manifest = found.instance, found.manifest
    if instance is None or manifest is None or not found.at_home:
        return False
    return manifest.instance.lower() == instance["DBInstanceIdentifier"].lower()


def notes(found: Findings, asked: Databases, chosen: PostgresOptions) -> Iterator[str]:
    """What the choices mean for these databases; what holds for several is told once."""
    concerned: dict[str, list[str]] = {}
    for one in asked:
        for note in _of_one(found, one.backup, chosen):
            concerned.setdefault(note, []).append(one.backup.name)
    yield from (f"{listed(names)}: {note}" for note, names in concerned.items())
    yield from _of_all(found.request, asked, chosen)


def _of_one(found: Findings, backup: DatabaseBackup, chosen: PostgresOptions) -> Iterator[str]:
    yield from _of_owners(found, backup, chosen)
    yield from extensions.notes(backup, chosen)
    yield from _of_text(backup, chosen)
    if chosen.verify == "content":
        yield from _of_values(backup)


def _check_owners(found: Findings, problems: Problems) -> None:
    master = found.instance.get("MasterUsername") if found.instance else None
    for place, sentence in role_names.owner_flaws(found.request.owners or {}, master):
        problems.add(RestoreRequestInvalid, form_problems.pointer(place), sentence)


def _check_text(request: RestoreRequest, asked: Databases, problems: Problems) -> None:
    flaws: dict[str, str | None] = {}
    if request.encoding:
        flaws["/encoding"] = encodings.flaw(request.encoding)
    if request.locale and not (request.locale.isascii() and request.locale.isprintable()):
        flaws["/locale"] = "isn't a name of a locale: write one that the server has, such as C or en_US.UTF-8"
    if (request.encoding or request.locale) and not any(flaws.values()):
        place = "/encoding" if request.encoding else "/locale"
        told = dict.fromkeys(_mismatch(one.backup, request.encoding, request.locale) for one in asked)
        flaws |= {place: "; ".join(filter(None, told))}
    for place, sentence in flaws.items():
        if sentence:
            problems.add(RestoreRequestInvalid, place, sentence)


def _mismatch(backup: DatabaseBackup, encoding: str | None, locale: str | None) -> str | None:
    """Why the new database can't have this encoding with this locale, if the locale's name says so."""
    needed = encodings.of_locale(locale or backup.ctype)
    chosen = encodings.canonical(encoding or backup.encoding)
    if needed in (None, chosen):
        return None
    whose = f"locale {locale}" if locale else f"dump's locale {backup.ctype}"
    text = f"encoding {chosen}" if encoding else f"dump's encoding {chosen}"
    return f"the {text} doesn't fit the {whose}, which needs {needed}: choose locale C, or one of that encoding"


def _of_owners(found: Findings, backup: DatabaseBackup, chosen: PostgresOptions) -> Iterator[str]:
    named = {*backup.owners, backup.owner}
    unknown = sorted(chosen.owners.keys() - named.union(backup.roles))
    if unknown:
        yield f"the dump names no role {listed(unknown)}: check the spelling in owners"
    holder = "a role without login or rights, which stays with the database"
    if chosen.keep_owners:
        yield f"owned by {listed(sorted(named))} as before, where the target has the role, and otherwise by {holder}"
        return
    pairs = [f"{role} as {owner}" for role, owner in sorted(chosen.owners.items()) if role in named]
    others = sorted(named - chosen.owners.keys())
    if pairs:
        yield f"owners: {listed(pairs)}"
    if others:
        why = "" if found.request.owners is not None else ", because the restore point is of another instance and owners names nobody"
        yield f"what {listed(others)} owned belongs to {holder}{why}"


def _of_text(backup: DatabaseBackup, chosen: PostgresOptions) -> Iterator[str]:
    if not (chosen.encoding or chosen.locale) and (mismatch := _mismatch(backup, None, None)):
        yield f"{mismatch}; only a superuser could create that database"
    if chosen.encoding and chosen.encoding != backup.encoding:
        told = f"the dump's encoding is {backup.encoding}, the database's will be {chosen.encoding}"
        yield f"{told}: text that it can't represent can't be loaded"
    if chosen.locale and (chosen.locale, chosen.locale) != (backup.collate, backup.ctype):
        told = f"the dump's locale is {backup.provider_locale or backup.collate} ({backup.locale_provider})"
        yield f"{told}, the database's will be {chosen.locale}: text sorts by its rules"


def _of_values(backup: DatabaseBackup) -> Iterator[str]:
    """What reading back will not compare."""
    without = [member for member in backup.tables if member.content is None]
    if without:
        told = f"{len(without)} of {len(backup.tables)} tables can't be compared value by value"
        yield f"{told}, because the restore point has no digest of them: their rows are counted"
    if partly := [member for member in backup.tables if member.content and member.content.columns is not None]:
        names = listed([f"{member.schema_name}.{member.table}" for member in partly])
        yield f"columns of {names} are not checked, because versions or settings of the server write their values differently"


def _of_all(request: RestoreRequest, asked: Databases, chosen: PostgresOptions) -> Iterator[str]:
    if chosen.verify == "counts" and request.verify is None:
        told = f"the data is larger than {limits.CONTENT_UP_TO_BYTES // 1000**3} GB, so rows are counted and not compared"
        yield f"{told}: ask for verify content to have every value read back"
    if chosen.create_missing_roles:
        yield "roles that the dump names and the target lacks are made, without login, password or rights; they stay with the database"
    if chosen.skip_unrestorable:
        yield (
            "what the target refuses is left out, with everything that depends on it: the database is then kept and reported, and the "
            "restore ends as ObjectsLeftOut with exit code 4"
        )


def _size(asked: Databases) -> int:
    return sum(one.backup.uncompressed_length for one in asked)
