"""One fault at one request of a restore, for every request and every kind of fault.

Oracles: nothing is left (O1), the instance's group list is as it was (O2), never two workers or two runs of a job (O3), a fault that
passes ends in success (O4), the next restore of the same database could start (O5, the locks in the inventory). The whole campaign takes
half an hour; the sample runs always.
"""

from collections import Counter

import pytest

from localcloud.ec2 import instances
from tests.faults.injection import KINDS, TRANSIENT, Injector, Kind
from tests.statemachine.world import World

LONGEST_RUN = 320
SAMPLE = tuple((at, KINDS[n % len(KINDS)]) for n, at in enumerate(range(3, 195, 20)))


@pytest.fixture
def injector(monkeypatch: pytest.MonkeyPatch) -> Injector:
    found = Injector()
    found.install(monkeypatch)
    return found


@pytest.fixture
def faulty(world: World, injector: Injector) -> World:
    """The product's world with the injector around every function and not around the worker."""
    world.around = injector.inside
    receive = world.worker.receive

    def outside(command: object) -> None:
        with injector.inside(function=False):
            receive(command)

    world.patch.setattr(world.worker, "receive", outside)
    return world


def check(world: World, injector: Injector, at: int, kind: Kind) -> None:
    """One restore with one fault, and what must be true after it."""
    before = world.inventory()
    launched: list[object] = []
    instances.launched.append(launched.append)
    injector.at, injector.kind = at, kind

    ended = world.run()
    fault = injector.calls[at] if at < len(injector.calls) else "none"
    injector.at = None
    while world.sweep():
        pass

    told = (fault, ended["status"], ended.get("error"), ended.get("cause"))
    after = world.inventory()
    databases = after.pop("databases")
    assert after == {name: found for name, found in before.items() if name != "databases"}, told
    assert len(launched) <= 1, told
    assert max(Counter(job.kind for job in world.worker.jobs).values(), default=0) <= 1, told
    if kind in TRANSIENT:
        assert ended["status"] == "SUCCEEDED", told
    assert databases in ([], ["orders"]), told
    assert (databases == ["orders"]) or ended["status"] == "FAILED", told


@pytest.mark.parametrize(("at", "kind"), SAMPLE)
def test_a_fault_of_the_sample_leaves_nothing_behind(faulty: World, injector: Injector, at: int, kind: Kind) -> None:
    check(faulty, injector, at, kind)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at", range(LONGEST_RUN))
def test_any_single_fault_leaves_nothing_behind(faulty: World, injector: Injector, at: int, kind: Kind) -> None:
    check(faulty, injector, at, kind)


def test_the_campaign_reaches_every_request_of_a_restore(faulty: World, injector: Injector) -> None:
    ended = faulty.run()

    assert ended["status"] == "SUCCEEDED"
    assert 100 < len(injector.calls) <= LONGEST_RUN


def test_an_injected_fault_really_arrives(faulty: World, injector: Injector) -> None:
    injector.at, injector.kind = 0, "denied"

    ended = faulty.run()

    assert ended["status"] == "FAILED"
