"""Slow indexes are estimated as slow, so that they begin first."""

from types import SimpleNamespace
from typing import Any

import pytest

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.points.pgdump.toc_values import Common
from dbrestore.worker.postgresql.after_rows import building_costs
from dbrestore.worker.postgresql.archive import Archive

TABLE = 'CREATE TABLE public.events (\n    id bigint NOT NULL,\n    at timestamp with time zone,\n    note text,\n    "a b" text\n);\n\n\n'


def made(dump_id: int, description: str, tag: str = "", *needs: int) -> TocEntry:
    """An entry in the schema public."""
    return TocEntry(dump_id, tag, Common(False, description, "pre-data", "public", relkind="r"), needs)


def cost(definition: str, description: str = "INDEX") -> int:
    """Of an index of a table of a million bytes."""
    table = made(1, "TABLE", "events").defined_by(TABLE)
    data = made(2, "TABLE DATA", "", 1)
    index = made(3, description, "", 1).defined_by(definition)
    entries = (table, data, index)
    toc: Any = SimpleNamespace(entries=entries, by_dump_id={entry.dump_id: entry for entry in entries})
    backup: Any = SimpleNamespace(tables=[SimpleNamespace(dump_id=2, uncompressed_length=1_000_000)])
    return building_costs.of(Archive(toc), backup, (index,))[3] - (8 << 10)


@pytest.mark.parametrize(
    ("definition", "percent"),
    [
        ("CREATE INDEX i ON public.events USING btree (id);", 35),
        ("CREATE INDEX i ON public.events USING btree (id, at DESC);", 35),
        ("CREATE INDEX i ON public.events USING btree (id, note);", 100),
        ("CREATE INDEX i ON public.events USING btree (lower(note));", 100),
        ('CREATE INDEX i ON public.events USING btree ("a b");', 100),
        ("CREATE INDEX i ON public.events USING gin (note public.gin_trgm_ops);", 200),
    ],
)
def test_an_index_on_text_costs_more_than_one_on_numbers_and_gin_most(definition: str, percent: int) -> None:
    assert cost(definition) == percent * 10_000


def test_a_foreign_key_costs_least() -> None:
    assert cost("ALTER TABLE public.events ADD CONSTRAINT f FOREIGN KEY (id) REFERENCES public.others(id);", "FK CONSTRAINT") == 250_000
