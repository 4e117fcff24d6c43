"""Foreign keys that the master user adds: what of a definition is understood, and what is rebuilt of it."""

import pytest

from dbrestore.worker.postgresql.after_rows import extension_keys
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.sql_tokens import NotUnderstood
from tests.unit.worker.postgresql.test_archive import entry, toc

BEGINS = 'ALTER TABLE ONLY app."Pläces"\n    ADD CONSTRAINT "a""b" FOREIGN KEY (x, y) REFERENCES public.geo_ref(a, "B")'


def key(ending: str, beginning: str = BEGINS) -> extension_keys.ForeignKey:
    """Of a definition that ends so."""
    return extension_keys.parse(entry(1, "FK CONSTRAINT", "Pläces a", "post-data", definition=f"{beginning}{ending}"))


@pytest.mark.parametrize(
    ("ending", "rebuilt"),
    [
        (";\n", " NOT VALID"),
        (" MATCH FULL ON UPDATE RESTRICT ON DELETE RESTRICT;", " MATCH FULL ON UPDATE RESTRICT ON DELETE RESTRICT NOT VALID"),
        (" DEFERRABLE INITIALLY DEFERRED NOT VALID;", " DEFERRABLE INITIALLY DEFERRED NOT VALID"),
    ],
)
def test_the_statement_is_rebuilt(ending: str, rebuilt: str) -> None:
    found = key(ending)

    assert found.statement().as_string() == (
        'ALTER TABLE "app"."Pläces" ADD CONSTRAINT "a""b" FOREIGN KEY ("x", "y") REFERENCES "public"."geo_ref" ("a", "B")' + rebuilt
    )
    assert found.is_proven == ("NOT VALID" not in ending)


@pytest.mark.parametrize(
    "ending",
    [
        " ON DELETE CASCADE;",
        " ON DELETE SET NULL (x);",
        " ON UPDATE SET DEFAULT;",
        " NOT ENFORCED;",
        "; SELECT 1;",
        " -- ;",
        ", ADD CHECK (f());",
    ],
)
def test_what_is_more_than_a_plain_key_is_not_understood(ending: str) -> None:
    with pytest.raises(NotUnderstood):
        key(ending)


def test_only_keys_to_tables_that_the_dump_does_not_make_are_chosen() -> None:
    inside = entry(1, "FK CONSTRAINT", "t a", "post-data", definition=BEGINS.replace("public.geo_ref", "app.t") + ";")
    outside = entry(2, "FK CONSTRAINT", "t b", "post-data", definition=BEGINS + ";")
    cascading = entry(3, "FK CONSTRAINT", "t c", "post-data", definition=BEGINS + " ON DELETE CASCADE;")
    table = entry(4, "TABLE", "t", "pre-data")
    entries = (table, inside, outside, cascading)

    found = extension_keys.among(entries, Archive(toc(*entries)))

    assert list(found) == [2]
