"""Routes and endpoints that tell the truth about what they lead to.

| moto 5.2.5 | fixed to |
|---|---|
| a route to a deleted NAT gateway stays `active` | `blackhole` |
| an interface endpoint asked for without security groups has none | the VPC's default group |
| a deleted endpoint is listed for ever, as `deleted` | gone |

Not simulated: packets. No network ACL, route or endpoint stops or carries anything here; they are for those who read them. But for one:
what the policy of S3's endpoint keeps from a worker that boots (`localcloud.ec2.endpoint_policies`).
"""

from collections.abc import Callable
from typing import Any

from moto.ec2.models.route_tables import Route
from moto.ec2.models.vpcs import VPCBackend

from localcloud.base.corrections import fix


def install() -> None:
    """Fix moto's VPCs."""
    fix(Route, "state", _state)
    fix(VPCBackend, "create_vpc_endpoint", _create_endpoint)
    fix(VPCBackend, "delete_vpc_endpoints", _delete_endpoints)


def _state(original: Callable[..., Any], route: Any) -> str:
    if route.nat_gateway and route.nat_gateway.state == "deleted":
        return "blackhole"
    return str(original(route))


def _create_endpoint(original: Callable[..., Any], backend: Any, *arguments: Any, **keywords: Any) -> Any:
    endpoint = original(backend, *arguments, **keywords)
    if endpoint.vpc_endpoint_type == "Interface" and not endpoint.security_group_ids:
        endpoint.security_group_ids = [backend.get_default_security_group(endpoint.vpc_id).id]
    return endpoint


def _delete_endpoints(original: Callable[..., Any], backend: Any, vpce_ids: list[str] | None = None) -> None:
    original(backend, vpce_ids)
    for endpoint_id in vpce_ids or []:
        backend.vpc_end_points.pop(endpoint_id, None)
