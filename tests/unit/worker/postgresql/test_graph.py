"""What is ready when: a key as soon as its tables' rows are in, and nothing before what it needs unsaid."""

from collections.abc import Callable, Iterable

from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql.after_rows import foreign_keys, lock_units, post_data
from dbrestore.worker.postgresql.after_rows.graph import Graph
from dbrestore.worker.postgresql.after_rows.post_data import Phase
from dbrestore.worker.postgresql.archive import Archive
from dbrestore.worker.postgresql.scheduling import Schedule, Task
from tests.unit.worker.postgresql.test_archive import entry, toc

KEY = "ALTER TABLE ONLY app.{}\n    ADD CONSTRAINT {} FOREIGN KEY (x) REFERENCES app.a(id);\n"
# Two tables with rows, the key of the first, and an index of the second.
TABLES = (
    entry(1, "TABLE", "a", "pre-data"),
    entry(2, "TABLE", "b", "pre-data"),
    entry(3, "TABLE", "far", "pre-data"),
    entry(11, "TABLE DATA", "a", "data", 1),
    entry(12, "TABLE DATA", "b", "data", 2),
    entry(13, "TABLE DATA", "far", "data", 3),
    entry(21, "CONSTRAINT", "a pkey", "post-data", 1),
    entry(22, "INDEX", "b_x", "post-data", 2),
)
# As a partition tree: its root, two partitions with rows, the indexes of all.
TREE = (
    entry(1, "TABLE", "root", "pre-data"),
    entry(2, "TABLE", "one", "pre-data"),
    entry(3, "TABLE", "two", "pre-data"),
    entry(4, "TABLE ATTACH", "one", "pre-data", 1, 2),
    entry(5, "TABLE ATTACH", "two", "pre-data", 1, 3),
    entry(12, "TABLE DATA", "one", "data", 2),
    entry(13, "TABLE DATA", "two", "data", 3),
    entry(22, "CONSTRAINT", "one pkey", "post-data", 2),
    entry(23, "CONSTRAINT", "two pkey", "post-data", 3),
)


def nothing(_: object) -> None:
    """What the tasks do here."""


def rows_of(entries: Iterable[TocEntry]) -> list[Task]:
    """Their tasks: one for each table's rows and each index."""
    data_of = Archive(toc(*entries)).data_of
    rows = [Task(e.dump_id, 100, nothing) for e in entries if e.description == "TABLE DATA"]
    early = [e for e in entries if e.dump_id in (21, 22, 23)]
    return rows + [
        Task(
            e.dump_id,
            10,
            nothing,
            frozenset(e.dependencies),
            exclusive=e.description == "CONSTRAINT",
            after={data_of[d] for d in e.dependencies},
        )
        for e in early
    ]


def graph_of(base: tuple[TocEntry, ...], *following: TocEntry, rows_are_in: Callable[[], None] = lambda: None) -> list[Task]:
    """The tasks of a dump; keys in two steps, as far as they can be."""
    archive = Archive(toc(*base, *following))
    units = lock_units.of_dump(archive.toc.entries)
    graph = Graph(archive, units, rows_of(base), rows_are_in)
    for phase, chosen in post_data.phases(following).items():
        if phase == Phase.CONSTRAINTS:
            for each in chosen:
                steps = foreign_keys.steps_of(each, units)
                part = steps.proven if steps else post_data.part_of([each], units)
                graph.add(phase, part, 1, nothing, (steps.added, nothing) if steps else None)
        else:
            for part in post_data.parts(chosen, units, 2):
                graph.add(phase, part, 1, nothing)
    return graph.tasks


def ready(tasks: list[Task], *done: int) -> set[int]:
    """The dump ids of what runs side by side when these and nothing else is done; what covers no entry is done at once."""
    schedule, running = Schedule(tasks), set[int]()
    entries = {dump_id for task in tasks for dump_id in task.covers} | {task.name for task in tasks if task.cost}
    while task := schedule.poll():
        if task.name in entries and task.name not in done:
            running.add(task.name)
        else:
            schedule.done(task)
    return running


def test_a_key_is_checked_when_its_tables_are_there_while_others_are_loaded() -> None:
    key = entry(31, "FK CONSTRAINT", "b f", "post-data", 1, 2, 21, definition=KEY.format("b", "f"))
    tasks = graph_of(TABLES, key)

    assert 31 not in ready(tasks, 11, 21)
    assert 31 not in ready(tasks, 11, 12)
    assert ready(tasks, 11, 12, 21, 22) == {13, 31}


def test_a_key_that_code_of_the_dump_decides_waits_for_all_rows() -> None:
    key = entry(31, "FK CONSTRAINT", "b f", "post-data", 1, 2, 21, 41, definition=KEY.format("b", "f"))
    tasks = graph_of((*TABLES, entry(41, "OPERATOR", "=", "pre-data")), key)

    assert ready(tasks, 11, 12, 21, 22) == {13}
    assert ready(tasks, 11, 12, 13, 21, 22) == {31}


def test_keys_that_point_at_one_table_are_proven_side_by_side() -> None:
    keys = [
        entry(30 + n, "FK CONSTRAINT", f"{t} f", "post-data", 1, n, 21, definition=KEY.format(t, "f")) for n, t in ((2, "b"), (3, "far"))
    ]
    tasks = graph_of(TABLES, *keys)

    assert ready(tasks, 11, 12, 13, 21, 22) == {32, 33}


def test_indexes_of_partitions_are_built_side_by_side_and_attached_when_all_rows_of_the_tree_are_in() -> None:
    attaching = [entry(30 + n, "INDEX ATTACH", f"i{n}", "post-data", n) for n in (22, 23)]
    tasks = graph_of(TREE, *attaching)

    assert ready(tasks, 12, 13) == {22, 23}
    assert ready(tasks, 12, 13, 22) == {23}
    assert ready(tasks, 12, 13, 22, 23) == {52}


def test_a_key_to_a_tree_follows_the_attached_indexes_though_the_dump_does_not_say_so() -> None:
    base = (*TREE, entry(6, "TABLE", "b", "pre-data"), entry(14, "TABLE DATA", "b", "data", 6))
    attaching = entry(52, "INDEX ATTACH", "i", "post-data", 22, 23)
    key = entry(60, "FK CONSTRAINT", "b f", "post-data", 1, 6, definition=KEY.format("b", "f"))
    tasks = graph_of(base, attaching, key)

    assert ready(tasks, 12, 13, 14, 22, 23, 52) == {60}
    assert 52 in next(task.after for task in tasks if task.name == 60)


def test_a_key_to_a_tree_is_not_checked_beside_an_index_of_one_of_its_partitions() -> None:
    """It locks all of them."""
    base = (*TREE, entry(6, "TABLE", "b", "pre-data"), entry(14, "TABLE DATA", "b", "data", 6))
    key = entry(60, "FK CONSTRAINT", "b f", "post-data", 1, 6, 22, definition=KEY.format("b", "f"))
    tasks = graph_of(base, key)

    assert ready(tasks, 12, 13, 14, 22) == {23}
    assert ready(tasks, 12, 13, 14, 22, 23) == {60}


def test_what_needs_everything_unsaid_follows_everything() -> None:
    tasks = graph_of(
        TABLES,
        entry(31, "FK CONSTRAINT", "b f", "post-data", 1, 2, 21, definition=KEY.format("b", "f")),
        entry(32, "TRIGGER", "a t", "post-data", 1, definition="CREATE TRIGGER t ..."),
        entry(33, "MATERIALIZED VIEW DATA", "m", "post-data"),
        entry(34, "INDEX", "on_m", "post-data", 33),
        entry(35, "ROW SECURITY", "a", "post-data", 1),
        entry(36, "STATISTICS DATA", "a", "data", 1),
    )
    rows = (11, 12, 13, 21, 22)

    assert ready(tasks, *rows[:-1]) == {22}
    assert ready(tasks, *rows) == {31}
    assert ready(tasks, *rows, 31) == {32}
    assert ready(tasks, *rows, 31, 32) == {33}
    assert ready(tasks, *rows, 31, 32, 33) == {34}
    assert ready(tasks, *rows, 31, 32, 33, 34) == {35}
    assert ready(tasks, *rows, 31, 32, 33, 34, 35) == {36}


def test_dependencies_in_a_circle_end() -> None:
    tasks = graph_of(
        TABLES,
        entry(31, "FK CONSTRAINT", "b f", "post-data", 1, 2, 32),
        entry(32, "FK CONSTRAINT", "b g", "post-data", 1, 2, 31),
        entry(33, "COMMENT", "x", "none", 34),
        entry(34, "COMMENT", "y", "none", 33),
    )
    schedule, done = Schedule(tasks), set[int]()
    while task := schedule.poll():
        done |= {task.name, *task.covers}
        schedule.done(task)

    assert {31, 32, 33, 34} <= done


def test_it_is_told_when_all_rows_are_in() -> None:
    told: list[bool] = []
    tasks = graph_of(TABLES, rows_are_in=lambda: told.append(True))
    schedule = Schedule(tasks)
    while task := schedule.poll():
        assert not told
        task.run(None)  # type: ignore[arg-type]
        schedule.done(task)

    assert told == [True]
