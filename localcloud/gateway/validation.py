"""Request validators: parameters that must be there, and a body that must fit a model.

Source: API Gateway developer guide, "Request validation for REST APIs". A body is looked at only if the method has a model for its type.
"""

import json
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]

from localcloud.gateway.refusals import Refusal
from localcloud.gateway.visits import Visit

_JSON: Final = "application/json"


def validate(visit: Visit) -> None:
    """Raises Refusal for what the method's validator doesn't let through."""
    assert visit.route is not None  # noqa: S101 - only a routed request has a method
    validator = visit.stage.api.validators.get(visit.route.method.get("requestValidatorId") or "") or {}
    if validator.get("validateRequestParameters"):
        _require_parameters(visit, visit.route.method.get("requestParameters") or {})
    if validator.get("validateRequestBody"):
        _require_body(visit, visit.route.method.get("requestModels") or {})


def _require_parameters(visit: Visit, parameters: dict[str, Any]) -> None:
    missing = [name.rpartition(".")[2] for name, needed in parameters.items() if str(needed).lower() == "true" and not visit.look(name)]
    if missing:
        raise Refusal("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]")


def _require_body(visit: Visit, models: dict[str, str]) -> None:
    kind = (visit.request.header("Content-Type") or _JSON).partition(";")[0].strip()
    model = visit.stage.api.models.get(models.get(kind, ""))
    if model is None:
        return
    try:
        jsonschema.Draft4Validator(json.loads(model["schema"])).validate(json.loads(visit.request.body))
    except (ValueError, jsonschema.ValidationError) as error:
        visit.outcome["error.validationErrorString"] = str(error).partition("\n")[0]
        raise Refusal("BAD_REQUEST_BODY") from None
