"""Retries of Step Functions wait as they are told, in the cloud's own time.

| moto 5.2.5 | fixed to |
|---|---|
| `MaxDelaySeconds` and `JitterStrategy` are parsed and dropped | honoured |
| retry delays in real time, deaf to StopExecution | scaled, and they end with the execution |
"""

import threading
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.common.retry.jitter_strategy_decl import JitterStrategyDecl
from moto.stepfunctions.parser.asl.component.common.retry.max_delay_seconds_decl import MaxDelaySecondsDecl

from localcloud.base import clock
from localcloud.base.corrections import fix


def install() -> None:
    """Fix moto's retries."""
    fix(retrier_decl.RetrierDecl, "from_retrier_props", _complete_retrier)
    retrier_decl.time = _retry_clock
    fix(retrier_decl.RetrierDecl, "_eval_body", _retry)


def _complete_retrier(original: Any, props: Any) -> Any:
    kinds = {
        "error_equals": retrier_decl.ErrorEqualsDecl,
        "interval_seconds": retrier_decl.IntervalSecondsDecl,
        "max_attempts": retrier_decl.MaxAttemptsDecl,
        "backoff_rate": retrier_decl.BackoffRateDecl,
        "max_delay_seconds": MaxDelaySecondsDecl,
        "jitter_strategy": JitterStrategyDecl,
        "comment": retrier_decl.Comment,
    }
    return retrier_decl.RetrierDecl(**{name: props.get(kind) for name, kind in kinds.items()})


class _RetryClock(threading.local):
    """In the place of the module `time` of moto's retrier: the delay is noted here and slept by `_retry`, which knows the execution."""

    asked = 0.0

    def sleep(self, seconds: float) -> None:
        self.asked = seconds


_retry_clock = _RetryClock()


def _retry(original: Any, retrier: Any, env: Any) -> None:
    _retry_clock.asked = 0.0
    original(retrier, env)
    clock.wait(_retry_clock.asked, lambda: not env.is_running(), env.program_state_event.wait)
