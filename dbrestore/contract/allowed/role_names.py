"""Which roles of the target may own what a dump's roles owned: a request names them, and none of them may have power of its own.

Whoever owns a function, an index or a policy lends it their rights: code of the dump runs as the owner, without anybody calling it.
"""

import re
from collections.abc import Iterator, Mapping

from dbrestore.contract import limits

# Names that PostgreSQL keeps for other meanings, and the first superuser of every server.
_OF_THE_SERVER = ("current_role", "current_user", "none", "postgres", "public", "session_user")
_TEMPORARY = re.compile(r"dbrestore_[0-9a-f]{12}_\d+_(owner|holder)")

Flaw = tuple[tuple[str, ...], str]


def owner_flaws(owners: Mapping[str, str], master_user: str | None) -> Iterator[Flaw]:
    """(place in the request, sentence) for each pair that can't be. `master_user` None: not known."""
    for role, owner in owners.items():
        place = ("owners", role)
        yield from ((place, f"the role's name {flaw}") for flaw in _form_flaws(role))
        form = list(_form_flaws(owner))
        yield from ((place, f"the owner's name {flaw}") for flaw in form)
        if not form and (why := _power(owner, master_user)):
            told = f"{owner!r} {why}, and code of the dump would run with its rights"
            yield place, f"{told}: name a role that owns databases' objects and nothing else"


def _form_flaws(name: str) -> Iterator[str]:
    if not name:
        yield "is empty: name a role"
    if "\0" in name:
        yield "contains a NUL character, which no PostgreSQL name may: write it without"
    if any("\ud800" <= character <= "\udfff" for character in name):
        yield "holds half a surrogate pair, which isn't text: write it as Unicode"
    length, longest = len(name.encode("utf-8", "surrogatepass")), limits.LONGEST_DATABASE_NAME_BYTES
    if length > longest:
        yield f"is {length} bytes long, but PostgreSQL's names have at most {longest}: shorten it"


def _power(owner: str, master_user: str | None) -> str | None:
    """Why this role may own nothing of a dump. Case does not matter here: a twin of such a name isn't a name for an owner either."""
    folded = owner.lower()
    if master_user is not None and folded == master_user.lower():
        return "is the instance's master user"
    if folded.startswith(("pg_", "rds")):
        return "is a role of PostgreSQL's or of RDS's own"
    if folded in _OF_THE_SERVER:
        return "belongs to the server"
    return "is a temporary role of a restore" if _TEMPORARY.fullmatch(folded) else None
