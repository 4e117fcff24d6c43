"""S3's event `Object Restore Completed` wakes who waits for that file. A restore of fifty thousand files has as many events, so this
function is small and starts quickly."""

from lambdas.archive import arrivals
from lambdas.runtime.inputs import RetrievalEvent, Woken
from lambdas.runtime.state import Surroundings, handler


@handler("HearRetrieval", RetrievalEvent)
def hear_retrieval(event: RetrievalEvent, surroundings: Surroundings) -> Woken:
    """How many restores were woken."""
    woken = arrivals.wake(surroundings.control.stepfunctions, surroundings.table, event.detail.object.key)
    return Woken(woken=woken)
