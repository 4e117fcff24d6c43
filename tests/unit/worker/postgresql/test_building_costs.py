"""Slow indexes are estimated as slow, so that they begin first."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.after_rows import building_costs
from dbrestore.worker.postgresql.archive import Archive

TABLE = 'CREATE TABLE public.events (\n    id bigint NOT NULL,\n    at timestamp with time zone,\n    note text,\n    "a b" text\n);\n\n\n'
EMPTY = TocEntry(
    dump_id=0, has_data=False, tag="", description="", section="pre-data",
    schema_name="public", tablespace="", owner="", relkind="r", offset_state="no data", dependencies=(), offset=None, member_name="",
)  # fmt: skip


def cost(definition: str, description: str = "INDEX") -> int:
    """Of an index of a table of a million bytes."""
    table = replace(EMPTY, dump_id=1, description="TABLE", tag="events").defined_by(TABLE)
    data = replace(EMPTY, dump_id=2, description="TABLE DATA", dependencies=(1,))
    index = replace(EMPTY, dump_id=3, description=description, dependencies=(1,)).defined_by(definition)
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
