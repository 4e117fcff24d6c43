"""The gateway: every API on a port of its own, `http://127.0.0.1:PORT/<stage>/...`.

The order in which a request is judged is assumed from API Gateway's execution logs: size, stage, the API's policy, route, who calls, key
and limits, parameters, function.
"""

import json
import logging
import re
import threading
from typing import Final

from localcloud.base.clients import Clients
from localcloud.gateway import deployments, lambda_proxy
from localcloud.gateway.http_port import LARGEST_BODY, HttpPort
from localcloud.gateway.refusals import Refusal, render
from localcloud.gateway.requests import Answer, Request
from localcloud.gateway.usage_plans import UsagePlans
from localcloud.gateway.visits import Visit
from localcloud.server import LocalCloudError

# Of request line and header values together (API Gateway quotas). The status of what is longer is assumed.
LARGEST_HEAD: Final = 10_240
_URL: Final = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.(?P<region>[^./]+)\.amazonaws\.com(?P<rest>/.*)?")

_log = logging.getLogger(__name__)


class Gateway:
    """All APIs of a cloud. A port opens when somebody first asks for it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._plans = UsagePlans()
        self._ports: dict[str, HttpPort] = {}
        self._lock = threading.Lock()

    def url(self, api_id: str) -> str:
        """Where the API is served, without a stage. Raises LocalCloudError if there is no such API."""
        if deployments.find_api(api_id) is None:
            raise LocalCloudError(f"The local cloud has no API {api_id}: deploy the stack that makes it first.")
        with self._lock:
            if api_id not in self._ports:
                self._ports[api_id] = HttpPort(lambda request: self.serve(api_id, request))
            return self._ports[api_id].url

    def local(self, url: str) -> str:
        """The local address of an address at AWS, whatever stage and path; another address as it is."""
        known = _URL.fullmatch(url)
        return self.url(known["api"]) + (known["rest"] or "") if known else url

    def stop(self) -> None:
        """Close all ports."""
        with self._lock:
            for port in self._ports.values():
                port.stop()
            self._ports.clear()

    def serve(self, api_id: str, request: Request) -> Answer:
        """The answer to any request; never raises."""
        stage = deployments.find_stage(api_id, request.stage)
        if not request.is_well_formed:
            return _of_the_front(400, "Bad Request", "BadRequestException")
        if stage is None or stage.api.is_disabled:
            return _of_the_front(403, "Forbidden", "ForbiddenException")
        visit = Visit(request, stage)
        try:
            answer = self._through(visit)
        except Refusal as refusal:
            answer = _refused(visit, refusal)
        except Exception:
            _log.exception("The local API Gateway could not serve %s %s", request.method, request.target)
            answer = _refused(visit, Refusal("DEFAULT_5XX"))
        ours = (("x-amzn-RequestId", visit.request_id), ("x-amz-apigw-id", visit.extended_id))
        return Answer(answer.status, (*answer.headers, *ours), answer.body)

    def _through(self, visit: Visit) -> Answer:
        request, stage = visit.request, visit.stage
        if _head(request) > LARGEST_HEAD or len(request.body) > LARGEST_BODY:
            raise Refusal("REQUEST_TOO_LARGE")
        visit.route = deployments.route(stage.api, request.method, request.path_below_stage)
        if visit.route is None:
            raise Refusal("MISSING_AUTHENTICATION_TOKEN")
        self._plans.admit(visit)
        return lambda_proxy.call(self._clients, visit)


def _head(request: Request) -> int:
    line = len(request.method) + len(request.target) + len(request.protocol) + 2
    return line + sum(len(value) for _, value in request.headers)


def _refused(visit: Visit, refusal: Refusal) -> Answer:
    visit.error = refusal.variables
    return render(refusal, visit.stage.api.gateway_responses, visit.look, visit.request.header("Accept"))


def _of_the_front(status: int, message: str, error: str) -> Answer:
    """What no API can word for itself: there is no stage to look it up in."""
    body = json.dumps({"message": message}, separators=(",", ":")).encode()
    return Answer(status, (("Content-Type", "application/json"), ("x-amzn-ErrorType", error)), body)
