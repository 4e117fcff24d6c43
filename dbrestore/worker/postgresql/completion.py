"""What follows the rows, in an order of its own (`post_data`): constraints, materialized views, row security, statistics of the dump."""

from dbrestore.contract.job import FixUp
from dbrestore.points.pgdump.toc import TocEntry
from dbrestore.worker.postgresql import extension_keys, planner_statistics, post_data
from dbrestore.worker.postgresql.building import Building
from dbrestore.worker.postgresql.post_data import Phase
from dbrestore.worker.postgresql.rights import row_security
from dbrestore.worker.postgresql.rights.row_security import LateRefreshes
from dbrestore.worker.postgresql.scheduling import Task
from dbrestore.worker.postgresql.session import Connection


def complete(building: Building) -> list[FixUp]:
    """Build it. Returns what was done otherwise than the dump says."""
    building.replay.progress.phase("constraints")
    entries = building.archive.toc.entries
    late, keys = row_security.late_refreshes(entries), extension_keys.among(entries, building.archive)
    units, phases = post_data.lock_units(entries), post_data.phases(building.division.post_data, late, keys)
    for phase, chosen in phases.items():
        if phase in post_data.PARALLEL:
            building.run([_task(building, e, units.of(e)) for e in chosen])
        elif chosen and phase == Phase.SECURED_VIEWS:
            _refresh_under_row_security(building, chosen, late)
        elif chosen and phase == Phase.EXTENSION_KEYS:
            with building.connect_master() as master, building.connect() as connection:
                extension_keys.add(master, connection, building.executor, keys, chosen)
        elif chosen and phase != Phase.STATISTICS:
            with building.connect() as connection:
                building.executor.run_all(connection, chosen)
    notes = row_security.fix_ups(building.omissions.without(phases[Phase.SECURED_VIEWS]), late)
    with building.connect() as connection:
        return notes + planner_statistics.restore(connection, building.executor, phases[Phase.STATISTICS])


def _refresh_under_row_security(building: Building, entries: list[TocEntry], late: LateRefreshes) -> None:
    before, after = row_security.forcing({i: building.omissions.without(tables) for i, tables in late.items()})
    with building.connect() as connection:
        connection.execute("SET row_security = on")
        for statement in before:
            connection.execute(statement)
        building.executor.run_all(connection, entries)
        for statement in after:
            connection.execute(statement)


def _task(building: Building, entry: TocEntry, units: frozenset[int]) -> Task:
    progress, cost = building.replay.progress, building.costs.get(entry.dump_id, 0)

    def build(connection: Connection) -> None:
        with progress.working_on(entry.label):
            building.executor.run(connection, entry)
        progress.object_done(cost)

    return Task(name=entry.dump_id, cost=cost, run=build, units=units, after=set(entry.dependencies))
