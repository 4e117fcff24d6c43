"""A job that takes a week is looked at a thousand times: each look costs next to nothing."""

import json
from typing import Any

import pytest
from moto.core.botocore_stubber import BotocoreStubber

from tests.statemachine.engines import Engine, of_both_engines
from tests.statemachine.fake_worker import FakeWorker
from tests.statemachine.world import World

LOOKS = 6


class Written:
    """How many rows each invocation of one state writes, and how often it reads the manifest."""

    def __init__(self, patch: pytest.MonkeyPatch, world: World, state: str) -> None:
        self.by_look: list[int] = []
        self.manifests: list[int] = []
        through = BotocoreStubber.__call__

        def listen(stub: Any, event_name: str, request: Any, **more: Any) -> Any:
            if event_name.endswith(".TransactWriteItems") and self.by_look and world.calls[-1] == state:
                self.by_look[-1] += len(json.loads(request.body)["TransactItems"])
            if event_name.endswith(".GetObject") and "manifest.json" in request.url and world.calls[-1] == state:
                self.manifests.append(len(self.by_look))
            return through(stub, event_name, request, **more)

        patch.setattr(BotocoreStubber, "__call__", listen)


@of_both_engines
def test_a_look_at_a_job_writes_no_row_of_its_databases(world: World, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    world.use(engine)
    written = Written(monkeypatch, world, engine.restoring)
    waiting: list[Any] = []

    def look() -> None:
        written.by_look.append(0)
        if len(written.by_look) == LOOKS:
            waiting.pop()()

    world.before[engine.restoring] = look
    world.worker.behaviour[engine.job] = lambda worker, job, command: waiting.append(lambda: FakeWorker.do(worker, job, command))

    ended = world.run(engine.request("orders", "crm"))

    assert ended["status"] == "SUCCEEDED", ended
    assert len(written.by_look) == LOOKS
    # The first one says what will be made; of the others each notes that it began and what it waits for.
    assert written.by_look[0] > 8
    assert written.by_look[1:-1] == [2] * (LOOKS - 2)
    # With tens of thousands of files it has tens of megabytes.
    assert set(written.manifests) <= {1}
