"""Policies of Lambda functions: which service may invoke them for what (Lambda developer guide, "resource-based policies")."""

import re

from moto.awslambda.models import lambda_backends

from localcloud.iam.access_policies import Statement

_ARN = re.compile(r"arn:[^:]+:lambda:(?P<region>[^:]+):(?P<account>\d+):function:(?P<name>[^:]+)(:(?P<qualifier>.+))?")


def of(arn: str) -> list[Statement]:
    """The statements of the function that the ARN names; those of another version or alias are not among them. None for no function."""
    named = _ARN.fullmatch(arn)
    if named is None:
        return []
    backend = lambda_backends[named["account"]][named["region"]]
    functions = [one for one in backend.list_functions() if one.function_name == named["name"]]
    return [statement for one in functions for statement in one.policy.statements]
