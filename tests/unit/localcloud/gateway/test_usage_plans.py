"""A method that requires an API key lets in keys of a usage plan for its stage, as often as the plan says."""

from collections.abc import Iterator

import pytest

from localcloud.base import clock
from localcloud.cloud import Cloud
from tests.unit.localcloud.gateway import apis
from tests.unit.localcloud.gateway.apis import KEY, Deployed

FORBIDDEN = (403, "ForbiddenException", {"message": "Forbidden"})
THROTTLED = (429, "TooManyRequestsException", {"message": "Too Many Requests"})
QUOTA = (429, "LimitExceededException", {"message": "Limit Exceeded"})


@pytest.fixture(scope="module")
def api(cloud: Cloud) -> Deployed:
    resources = {
        "Free": apis.resource("free"),
        "Rare": apis.resource("rare"),
        "GetFree": apis.method("Free", "GET"),
        "GetRare": apis.method("Rare", "GET", ApiKeyRequired=True),
        "GetRoot": apis.method("Api", "GET", ApiKeyRequired=True),
        **apis.usage_plan("Wide", KEY, Methods={"/rare/GET": {"RateLimit": 0.01, "BurstLimit": 1}}),
        **apis.usage_plan("Off", KEY + "-off", enabled=False),
        **apis.usage_plan("Narrow", KEY + "-narrow", Throttle={"RateLimit": 0.05, "BurstLimit": 2}),
        **apis.usage_plan("Daily", KEY + "-daily", Quota={"Limit": 2, "Period": "DAY"}),
        "LooseKey": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": True, "Value": KEY + "-loose"}},
    }
    return apis.deploy(cloud, apis.template(resources))


@pytest.fixture
def held_clock() -> Iterator[None]:
    with clock.scales() as set_scale:
        set_scale(1)
        yield


def _ask(api: Deployed, key: str, path: str = "/") -> apis.Reply:
    return api.ask("GET", path, headers=[("X-Api-Key", key)])


def test_a_key_of_a_plan_is_let_in_and_known_to_the_function(api: Deployed) -> None:
    identity = _ask(api, KEY).json["requestContext"]["identity"]

    assert (identity["apiKey"], identity["apiKeyId"]) == (KEY, api.ids["WideKey"])


@pytest.mark.parametrize("key", ["", "unknown", KEY.upper(), KEY + "-off", KEY + "-loose"])
def test_an_unknown_key_or_one_without_plan_is_forbidden(api: Deployed, key: str) -> None:
    assert _ask(api, key).error == FORBIDDEN


def test_no_key_is_forbidden_and_none_is_asked_for_where_none_is_required(api: Deployed) -> None:
    assert api.ask("GET", "/").error == FORBIDDEN
    assert api.ask("GET", "/free").status == 200


def test_the_burst_is_let_through_and_then_the_rate(api: Deployed) -> None:
    replies = [_ask(api, KEY + "-narrow") for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[-1].error == THROTTLED


def test_a_method_has_its_own_throttle(api: Deployed) -> None:
    assert _ask(api, KEY, "/rare").status == 200
    assert _ask(api, KEY, "/rare").error == THROTTLED
    assert _ask(api, KEY).status == 200


@pytest.mark.usefixtures("held_clock")
def test_a_quota_ends_with_the_day(api: Deployed) -> None:
    today = [_ask(api, KEY + "-daily") for _ in range(3)]
    clock.set_now(clock.now().replace(year=clock.now().year + 1))
    tomorrow = _ask(api, KEY + "-daily")

    assert [reply.status for reply in today] == [200, 200, 429]
    assert today[-1].error == QUOTA
    assert tomorrow.status == 200
