"""What a request chose for PostgreSQL databases, as a plan and a report show it: a label and a sentence each."""

from collections.abc import Iterator

from dbrestore.contract.job import PostgresOptions

_PROOFS = {"content": "every value is read back and compared", "counts": "rows are counted, values are not compared"}


def told(chosen: PostgresOptions) -> Iterator[tuple[str, str]]:
    """Every choice, those that were left at their defaults too if they decide who gets power or what is proven."""
    yield "Owners", _owners(chosen)
    if chosen.create_missing_roles:
        yield "Roles", "those that the target lacks are created, without login or rights"
    if chosen.encoding or chosen.locale:
        texts = [f"encoding {chosen.encoding}"] if chosen.encoding else []
        texts += [f"locale {chosen.locale}"] if chosen.locale else []
        yield "Text", f"{', '.join(texts)}, in place of the dump's"
    if chosen.skip_unrestorable:
        yield "Left out", "what the target refuses, and what needs it; the restore then ends with exit code 4"
    elif chosen.skip_missing_extensions:
        yield (
            "Left out",
            "extensions that are not offered or not allowed, and what needs them; the restore then ends with exit code 4",
        )
    yield "Proof", _PROOFS[chosen.verify]


def _owners(chosen: PostgresOptions) -> str:
    rest = "a role without login or rights, one per database"
    if chosen.keep_owners:
        return f"as in the dump, where the target has the role; the rest: {rest}"
    pairs = ", ".join(f"{role} -> {owner}" for role, owner in sorted(chosen.owners.items()))
    return f"{pairs}; the rest: {rest}" if pairs else rest
