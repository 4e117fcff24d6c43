"""AWS's refusals by their own names."""

from botocore.exceptions import ClientError


def error_code(error: ClientError) -> str:
    """AWS's own name of the refusal."""
    return error.response.get("Error", {}).get("Code", "")
