"""The acceptance run against a local cloud that is otherwise empty, and what that cloud holds, asked without a line of the program."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from moto.rds.models import rds_backends

from acceptance import command
from acceptance.sheet import Sheet, TrialResult
from acceptance.trials.trial import Trial
from localcloud import cloud as local
from localcloud.cloud import Cloud

TIME_SCALE = 300.0


@contextmanager
def empty() -> Iterator[Cloud]:
    """A local cloud with nothing deployed; commands of this process find it, and no other."""
    outside = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="acc-") as folder:
        # PostgreSQL refuses to run as root and then runs as nobody, who must be able to enter.
        Path(folder).chmod(0o755)
        # What is stopped is told to the sweeper; its own rounds would only take time.
        running = local.start(Path(folder, "cloud"), time_scale=TIME_SCALE, schedules=False)
        try:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                del os.environ[name]
            os.environ.update(running.environment())
            yield running
        finally:
            running.stop()
            os.environ.clear()
            os.environ.update(outside)


def run(cloud: Cloud, folder: Path, *options: object, trials: Sequence[Trial]) -> tuple[int, Sheet]:
    """The exit code of `python -m acceptance --yes`, and the sheet that it wrote below `folder`."""
    arguments = ["--yes", "--results", str(folder), "--certificates", str(cloud.authority.bundle), *map(str, options)]
    code = command.main(arguments, trials)
    [written] = folder.glob("*/sheet.json")
    return code, Sheet.from_json(written.read_text())


def outcomes(sheet: Sheet) -> dict[str, str]:
    """Outcome by the trial's name."""
    return {trial.name: trial.outcome for trial in sheet.trials}


def named(sheet: Sheet, name: str) -> TrialResult:
    """The last trial of that name."""
    return [trial for trial in sheet.trials if trial.name == name][-1]


# Service, call, where the answer has them, and what names one of them.
_LISTS = (
    ("s3", "list_buckets", "Buckets", "Name"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("lambda", "list_layers", "Layers", "LayerName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("events", "list_rules", "Rules", "Name"),
    ("ssm", "list_documents", "DocumentIdentifiers", "Name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
    ("ec2", "describe_subnets", "Subnets", "SubnetId"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
    ("ec2", "describe_security_group_rules", "SecurityGroupRules", "SecurityGroupRuleId"),
    ("ec2", "describe_volumes", "Volumes", "VolumeId"),
    ("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
    ("rds", "describe_db_snapshots", "DBSnapshots", "DBSnapshotIdentifier"),
    ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
    ("secretsmanager", "list_secrets", "SecretList", "Name"),
)


def inventory(cloud: Cloud) -> set[tuple[str, str]]:
    """Everything that a run could leave behind: kind and name. Terminated instances don't count."""
    found = {(kind, str(one[name])) for service, call, kind, name in _LISTS for one in _listed(cloud, service, call, kind)}
    found |= {("Tables", name) for name in cloud.client("dynamodb").list_tables()["TableNames"]}
    # moto lists option groups by name alone.
    found |= {("Option groups", name) for name in rds_backends[cloud.account][cloud.region].option_groups}
    found |= {("Queues", url) for url in cloud.client("sqs").list_queues().get("QueueUrls", [])}
    found |= {("Parameters", one["Name"]) for one in _listed(cloud, "ssm", "describe_parameters", "Parameters") if _is_ours(one)}
    found |= {("Stacks", one["StackName"]) for one in _listed(cloud, "cloudformation", "describe_stacks", "Stacks")}
    for reservation in _listed(cloud, "ec2", "describe_instances", "Reservations"):
        found |= {("Instances", one["InstanceId"]) for one in reservation["Instances"] if one["State"]["Name"] != "terminated"}
    return found


def _is_ours(parameter: Any) -> bool:
    return not parameter["Name"].startswith("/aws/")


def _listed(cloud: Cloud, service: str, call: str, key: str) -> Any:
    client = cloud.client(service)
    asked = {"Filters": [{"Key": "Owner", "Values": ["Self"]}]} if call == "list_documents" else {}
    if client.can_paginate(call):
        return [one for page in client.get_paginator(call).paginate(**asked) for one in page.get(key, [])]
    return getattr(client, call)(**asked).get(key, [])
