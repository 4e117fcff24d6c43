"""API keys and what their usage plans let them do.

Rates are counted in real seconds, as callers are real; quotas by the cloud's own days. AWS says of both that they are no hard limits:
here they are (API Gateway developer guide, "Creating and using usage plans with API keys").
"""

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from moto.apigateway.models import apigateway_backends

from localcloud.base import clock
from localcloud.gateway.refusals import Refusal
from localcloud.gateway.visits import Visit


@dataclass
class _Bucket:
    left: float
    seen: float

    def takes(self, rate: float, burst: float) -> bool:
        """Whether one more is let through: a bucket that holds `burst`, filled at `rate` a second."""
        now = time.monotonic()
        self.left, self.seen = min(burst, self.left + (now - self.seen) * rate), now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class UsagePlans:
    """What each key has used."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, ...], _Bucket] = {}
        self._used: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def admit(self, visit: Visit) -> None:
        """Let it through the plan of its key, if the method requires one, and the stage's own limits. Raises Refusal."""
        assert visit.route is not None  # noqa: S101 - only a routed request has a method
        with self._lock:
            if visit.route.method.get("apiKeyRequired"):
                self._admit_key(visit)
            self._throttle(visit, ("stage",), _stage_limits(visit))

    def _admit_key(self, visit: Visit) -> None:
        key, plan = _known(visit)
        visit.identity |= {"apiKey": key.value, "apiKeyId": key.id}
        here = next(one for one in plan.api_stages if _is_of(one, visit))
        method = (here.get("throttle") or {}).get(_method_key(visit))
        self._throttle(visit, ("method", plan.id, key.id), method or {})
        self._throttle(visit, ("plan", plan.id, key.id), {} if method else plan.throttle)
        self._count(plan, key.id)

    def _throttle(self, visit: Visit, who: tuple[str, ...], limits: dict[str, Any]) -> None:
        rate, burst = limits.get("rateLimit"), limits.get("burstLimit")
        if rate is None and burst is None:
            return
        where = () if who[0] == "plan" else (visit.stage.arn, _method_key(visit))
        most = float(burst if burst is not None else rate or 0)
        bucket = self._buckets.setdefault((*who, *where), _Bucket(most, time.monotonic()))
        if not bucket.takes(float(rate or 0), most):
            raise Refusal("THROTTLED")

    def _count(self, plan: Any, key_id: str) -> None:
        if not plan.quota:
            return
        period = (plan.id, key_id, _beginning(clock.now(), plan.quota["period"]))
        is_first = not any(one[:2] == period[:2] for one in self._used)
        used = self._used.setdefault(period, int(plan.quota.get("offset") or 0) if is_first else 0)
        if used >= int(plan.quota["limit"]):
            raise Refusal("QUOTA_EXCEEDED")
        self._used[period] = used + 1


def _known(visit: Visit) -> tuple[Any, Any]:
    """The key and its plan for this stage."""
    place = visit.stage.api.place
    backend = apigateway_backends[place.account][place.region]
    value = visit.request.header("x-api-key")
    key = next((one for one in list(backend.keys.values()) if value and one.value == value), None)
    if key is None or not key.enabled:
        raise Refusal("INVALID_API_KEY")
    plans = [plan for plan in backend.get_usage_plans(key.id) if any(_is_of(one, visit) for one in plan.api_stages)]
    if not plans:
        raise Refusal("INVALID_API_KEY")
    return key, plans[0]


def _is_of(api_stage: dict[str, Any], visit: Visit) -> bool:
    return (api_stage["apiId"], api_stage["stage"]) == (visit.stage.api.id, visit.stage.name)


def _method_key(visit: Visit) -> str:
    assert visit.route is not None  # noqa: S101 - only a routed request has a method
    return f"{visit.route.resource_path}/{visit.route.method['httpMethod']}"


def _stage_limits(visit: Visit) -> dict[str, Any]:
    """Of the method, else of all methods."""
    assert visit.route is not None  # noqa: S101 - only a routed request has a method
    path = visit.route.resource_path.removeprefix("/").replace("/", "~1")
    settings = visit.stage.method_settings
    own = settings.get(f"~1{path}/{visit.route.method['httpMethod']}") or settings.get("*/*") or {}
    return {"rateLimit": own.get("throttlingRateLimit"), "burstLimit": own.get("throttlingBurstLimit")}


def _beginning(now: datetime, period: str) -> str:
    """The first day of the day, week or month that it is, in UTC."""
    if period == "WEEK":
        return f"{now - timedelta(days=now.isoweekday() % 7):%Y-%m-%d}"
    return f"{now:%Y-%m-01}" if period == "MONTH" else f"{now:%Y-%m-%d}"
