"""Logs, metrics and traces of all functions, by Powertools. Set up here and nowhere else.

Logs are JSON lines with the state, the restore, its execution (which is the correlation id too) and the target. Metrics are log lines in
CloudWatch's embedded format, so they need no call and no permission. Traces are made only where the installation switched them on, because
they cost money and the library that makes them costs every start of a function some time.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from lambdas.runtime.settings import TRACING

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer

SERVICE = "dbrestore"
Answer = TypeVar("Answer")

# stderr: what a function prints on stdout is nobody's, and both reach the log.
log = Logger(
    service=SERVICE,
    level=os.environ.get("POWERTOOLS_LOG_LEVEL", "INFO"),
    stream=sys.stderr,
    use_rfc3339=True,
    json_serializer=partial(json.dumps, ensure_ascii=False, default=str),
)


def begin(state: str, context: Any) -> None:
    """A new invocation: nothing of the one before it stands in its log lines. `context` is Lambda's."""
    log.clear_state()
    request = getattr(context, "aws_request_id", None)
    log.append_keys(state=state, **({"function_request_id": request} if request else {}))


def concerns(restore_id: str, execution_arn: str, target: str | None = None) -> None:
    """From here on log lines name the restore, its execution and the target instance."""
    log.append_keys(restoreId=restore_id, executionArn=execution_arn, **({"target": target} if target else {}))
    log.set_correlation_id(execution_arn)


def count(name: str, number: int = 1, /, **dimensions: str) -> None:
    """So many of something."""
    _emit(name, number, MetricUnit.Count, dimensions)


def seconds(name: str, duration: float, /, **dimensions: str) -> None:
    """A duration."""
    _emit(name, duration, MetricUnit.Seconds, dimensions)


def size(name: str, number: int, /, **dimensions: str) -> None:
    """A number of bytes."""
    _emit(name, number, MetricUnit.Bytes, dimensions)


def _emit(name: str, value: float, unit: MetricUnit, dimensions: Mapping[str, str]) -> None:
    """One value of one metric in the namespace `dbrestore`."""
    metrics = EphemeralMetrics(namespace=SERVICE, service=SERVICE)
    for dimension, text in dimensions.items():
        metrics.add_dimension(dimension, text)
    metrics.add_metric(name=name, unit=unit, value=value)
    print(json.dumps(metrics.serialize_metric_set()), file=sys.stderr, flush=True)


def traced(state: str, work: Callable[[], Answer]) -> Answer:
    """The work, as a subsegment of the function's trace where traces are switched on."""
    if not os.environ.get(TRACING):
        return work()
    with _tracer().provider.in_subsegment(name=f"## {state}"):
        return work()


@cache
def _tracer() -> "Tracer":
    from aws_lambda_powertools import Tracer

    return Tracer(service=SERVICE)
