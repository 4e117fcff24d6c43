"""The whole definition with the real functions: a restore that goes well."""

from tests.statemachine.world import World

STEPS = [
    "PlanRestore", "DeployWorker", "PairSecurityGroups", "ReplayDumps", "VerifyDatabases",
    "DiscardUnfinishedDatabases", "RemoveWorker", "UnpairSecurityGroups", "RemoveStagingBucket", "CloseRestore",
]  # fmt: skip


def test_a_restore_succeeds_and_leaves_only_the_database(world: World) -> None:
    before = world.inventory()

    ended = world.run()

    assert ended["status"] == "SUCCEEDED", ended
    assert list(dict.fromkeys(world.calls)) == STEPS
    assert world.inventory() == before | {"databases": ["orders"]}
    assert world.meta().status == "CLOSED"
