"""Logs, metrics and traces of all functions, by Powertools. Set up here and nowhere else.

Logs are JSON lines with the state, the restore, its execution (which is the correlation id too) and the target. Metrics are log lines in
CloudWatch's embedded format, so they need no call and no permission. Traces are made only where the installation switched them on, because
they cost money and the library that makes them costs every start of a function some time.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from lambdas.runtime.settings import METRICS, TRACING

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer

SERVICE = "dbrestore"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
Answer = TypeVar("Answer")

# stderr: what a function prints on stdout is nobody's, and both reach the log.
log = Logger(
    service=SERVICE,
    level=LEVEL if (LEVEL := os.environ.get("POWERTOOLS_LOG_LEVEL", "").upper()) in LEVELS else "INFO",
    stream=sys.stderr,
    use_rfc3339=True,
    json_serializer=partial(json.dumps, ensure_ascii=False, default=str),
)


def begin(state: str, context: Any, restore_id: str | None = None) -> None:
    """A new invocation: nothing of the one before it stands in its log lines. `context` is Lambda's."""
    log.clear_state()
    known = {"function_request_id": getattr(context, "aws_request_id", None), "restoreId": restore_id}
    log.append_keys(state=state, **{key: value for key, value in known.items() if value})


def concerns(restore_id: str, execution_arn: str, target: str | None = None) -> None:
    """From here on log lines name the restore, its execution and the target instance."""
    log.append_keys(restoreId=restore_id, executionArn=execution_arn, **({"target": target} if target else {}))
    log.set_correlation_id(execution_arn)


def count(name: str, number: int = 1, /, **dimensions: str) -> None:
    """So many of something."""
    _emit(name, MetricUnit.Count, lambda: number, dimensions)


def duration(name: str, began: datetime, ended: datetime, /, **dimensions: str) -> None:
    """The seconds between two moments."""
    _emit(name, MetricUnit.Seconds, lambda: (ended - began).total_seconds(), dimensions)


def size(name: str, number: int, /, **dimensions: str) -> None:
    """A number of bytes."""
    _emit(name, MetricUnit.Bytes, lambda: number, dimensions)


def _emit(name: str, unit: MetricUnit, value: Callable[[], float], dimensions: Mapping[str, str]) -> None:
    """One value of one metric in the installation's namespace. What can't be measured is logged: no restore fails for being uncounted."""
    try:
        metrics = EphemeralMetrics(namespace=os.environ.get(METRICS) or SERVICE)
        for dimension, text in dimensions.items():
            metrics.add_dimension(dimension, text)
        metrics.add_metric(name=name, unit=unit, value=value())
        print(json.dumps(metrics.serialize_metric_set()), file=sys.stderr, flush=True)
    except Exception:
        log.exception("not measured: %s", name)


def traced(state: str, work: Callable[[], Answer]) -> Answer:
    """The work, as a subsegment of the function's trace where traces are switched on. An error marks it without its text."""
    if not os.environ.get(TRACING):
        return work()
    failed: Exception | None = None
    with _tracer().provider.in_subsegment(name=f"## {state}") as segment:
        try:
            return work()
        except Exception as error:
            failed = error
            segment.put_annotation("error", type(error).__name__)
    raise failed


@cache
def _tracer() -> "Tracer":
    from aws_lambda_powertools import Tracer

    return Tracer(service=SERVICE)
