"""The gateway: every API on a port of its own, `http://127.0.0.1:PORT/<stage>/...`, from its first stage on.

Which port that is stands in a file, a JSON object: {"https://<api>.execute-api.<region>.amazonaws.com/<stage>": "http://127.0.0.1:...",
"https://<domain>.auth.<region>.amazoncognito.com/oauth2/token": "http://127.0.0.1:..."}.

The order in which a request is judged is assumed from API Gateway's execution logs: size, stage, the API's policy, route, who calls, key
and limits, parameters, function.
"""

import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from localcloud.base.clients import Clients
from localcloud.gateway import authorizers, deployments, lambda_proxy, signatures, user_pools, validation
from localcloud.gateway.access_log import AccessLog
from localcloud.gateway.http_port import LARGEST_BODY, HttpPort
from localcloud.gateway.refusals import Refusal, render
from localcloud.gateway.requests import Answer, Request
from localcloud.gateway.usage_plans import UsagePlans
from localcloud.gateway.visits import Visit
from localcloud.server import LocalCloudError

ADDRESSES: Final = "addresses.json"
# Of request line and header values together (API Gateway quotas). The status of what is longer is assumed.
LARGEST_HEAD: Final = 10_240
_API: Final = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.[^./]+\.amazonaws\.com(?P<rest>/.*)?")
_TOKEN: Final = re.compile(r"https://(?P<domain>[a-z0-9-]+)\.auth\.[^./]+\.amazoncognito\.com/oauth2/token")

_log = logging.getLogger(__name__)


class Gateway:
    """All APIs of a cloud; their addresses stand in the file `addresses`."""

    def __init__(self, clients: Clients, addresses: Path) -> None:
        self._clients, self._addresses = clients, addresses
        self._plans = UsagePlans()
        self._access_log = AccessLog(clients)
        # By the API's id, or by the domain of a user pool.
        self._ports: dict[str, HttpPort] = {}
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._publish()
        for of in (deployments, user_pools):
            of.listeners.append(self._publish)

    def url(self, api_id: str) -> str:
        """Where the API is served, without a stage. Raises LocalCloudError if there is no such API."""
        if deployments.find_api(api_id) is None:
            raise LocalCloudError(f"The local cloud has no API {api_id}: deploy the stack that makes it first.")
        return self._port(api_id, lambda request: self.serve(api_id, request)).url

    def token_url(self, domain: str) -> str:
        """Where a user pool's domain gives out tokens. Raises LocalCloudError if there is no such domain."""
        if user_pools.find_domain(domain) is None:
            raise LocalCloudError(f"The local cloud has no user pool with the domain {domain}: deploy the stack that makes it first.")
        return self._port(domain, lambda request: user_pools.serve(domain, request)).url + user_pools.PATH

    def local(self, url: str) -> str:
        """The local address of an address at AWS: of an API, or of a user pool's token endpoint; another address as it is."""
        api, token = _API.fullmatch(url), _TOKEN.fullmatch(url)
        if token:
            return self.token_url(token["domain"])
        return self.url(api["api"]) + (api["rest"] or "") if api else url

    def _publish(self) -> None:
        with self._writing:
            apis = [f"https://{api.id}.execute-api.{api.region_name}.amazonaws.com/{stage}" for api, stage in deployments.stages()]
            tokens = [f"https://{name}.auth.{region}.amazoncognito.com{user_pools.PATH}" for name, region in user_pools.domains()]
            half_way = self._addresses.with_suffix(".half-way")
            half_way.write_text(json.dumps({address: self.local(address) for address in (*apis, *tokens)}, indent=1) + "\n")
            half_way.rename(self._addresses)

    def _port(self, name: str, serve: Callable[[Request], Answer]) -> HttpPort:
        with self._lock:
            if name not in self._ports:
                self._ports[name] = HttpPort(serve)
            return self._ports[name]

    def stop(self) -> None:
        """Close all ports."""
        for of in (deployments, user_pools):
            of.listeners.remove(self._publish)
        with self._lock:
            for port in self._ports.values():
                port.stop()
            self._ports.clear()
        self._access_log.stop()

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
        self._access_log.note(visit, answer)
        ours = (("x-amzn-RequestId", visit.request_id), ("x-amz-apigw-id", visit.extended_id))
        return Answer(answer.status, (*answer.headers, *ours), answer.body)

    def _through(self, visit: Visit) -> Answer:
        request, stage = visit.request, visit.stage
        if _head(request) > LARGEST_HEAD or len(request.body) > LARGEST_BODY:
            raise Refusal("REQUEST_TOO_LARGE")
        visit.route = deployments.route(stage.api, request.method, request.path_below_stage)
        if visit.route is None:
            raise _nowhere(request)
        authorizers.authorize(visit)
        self._plans.admit(visit)
        validation.validate(visit)
        return lambda_proxy.call(self._clients, visit)


def _nowhere(request: Request) -> Refusal:
    """No such method: AWS takes it for a call of its own API, and an Authorization header for that call's signature."""
    given = request.header("Authorization")
    return signatures.incomplete(given) if given and not given.startswith("AWS4-") else Refusal("MISSING_AUTHENTICATION_TOKEN")


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
