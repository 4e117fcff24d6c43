"""The tag that everything of a run bears, in the shapes in which AWS's services take tags."""

from typing import Any

RUN = "dbrestore:acceptance"


def upper(run: str, name: str | None = None) -> list[dict[str, str]]:
    """For EC2, RDS, S3, IAM and CloudFormation."""
    tags = [{"Key": RUN, "Value": run}]
    return [*tags, {"Key": "Name", "Value": name}] if name else tags


def of(kind: str, run: str, name: str) -> list[dict[str, Any]]:
    """EC2's TagSpecifications."""
    return [{"ResourceType": kind, "Tags": upper(run, name)}]


def filters(run: str) -> list[dict[str, Any]]:
    """EC2's Filters."""
    return [{"Name": f"tag:{RUN}", "Values": [run]}]
