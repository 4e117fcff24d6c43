"""Lambda functions really run."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from localcloud.cloud import Cloud
from tests.unit.localcloud.flow import lambda_functions


@pytest.fixture(scope="module")
def function(cloud: Cloud) -> str:
    return lambda_functions.create(cloud)


def test_a_function_runs_under_its_own_role_with_its_own_variables_and_nothing_of_ours(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "from the person's own environment")
    role = lambda_functions.role(cloud)
    name = lambda_functions.create(cloud, role_arn=role)

    answer, error = lambda_functions.invoke(cloud, name)

    assert error is None
    assert answer["variable"] == "hello"
    assert "MINE" not in answer["variables"]
    assert answer["function"] == name
    assert answer["who"] == f"arn:aws:sts::123456789012:assumed-role/{role.split('/')[1]}/{name}"
    assert answer["endpoint"] == cloud.endpoint
    assert 10_000 < answer["milliseconds"] <= 20_000


def test_a_warm_function_keeps_its_process(cloud: Cloud, function: str) -> None:
    first, _ = lambda_functions.invoke(cloud, function)
    second, _ = lambda_functions.invoke(cloud, function)

    assert second["process"] == first["process"]
    assert second["seen"] == first["seen"] + 1


def test_two_invocations_at_a_time_run_at_the_same_time(cloud: Cloud, function: str) -> None:
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda number: lambda_functions.invoke(cloud, function, sleep=1, number=number), range(2)))

    assert len({answer["process"] for answer, _ in both}) == 2


def test_an_exception_arrives_with_its_class_and_message(cloud: Cloud, function: str) -> None:
    answer, error = lambda_functions.invoke(cloud, function, error="NotReady", failures=1)

    assert error == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("NotReady", "attempt 1")
    assert answer["stackTrace"]


def test_a_function_that_runs_too_long_is_killed(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud, timeout=5)
    before, _ = lambda_functions.invoke(cloud, name)
    started = time.monotonic()

    answer, error = lambda_functions.invoke(cloud, name, sleep=60)

    after, _ = lambda_functions.invoke(cloud, name)
    assert error == "Unhandled"
    assert answer["errorType"] == "Sandbox.Timedout"
    assert "timed out after 5.00 seconds" in answer["errorMessage"]
    assert time.monotonic() - started < 40
    assert after["process"] != before["process"]


def test_a_function_that_dies_says_so_and_the_next_invocation_works(cloud: Cloud) -> None:
    function = lambda_functions.create(cloud)
    answer, error = lambda_functions.invoke(cloud, function, exit=3)

    after, error_after = lambda_functions.invoke(cloud, function)
    assert error == "Unhandled"
    assert answer["errorType"] == "Runtime.ExitError"
    assert "exit status 3" in answer["errorMessage"]
    assert error_after is None
    assert after["seen"] == 1


def test_a_module_that_cannot_be_imported_is_named(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud, program="import no_such_module")

    answer, error = lambda_functions.invoke(cloud, name)

    assert error == "Unhandled"
    assert answer["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_module" in answer["errorMessage"]


def test_new_code_and_variables_reach_the_next_invocation(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud)
    lambda_functions.invoke(cloud, name)
    functions = cloud.client("lambda")

    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "good evening"}})
    answer, _ = lambda_functions.invoke(cloud, name)
    functions.update_function_code(FunctionName=name, ZipFile=lambda_functions.zipped("def handle(event, context):\n    return 'new'\n"))
    newest, _ = lambda_functions.invoke(cloud, name)

    assert answer["variable"] == "good evening"
    assert newest == "new"


def test_what_a_function_writes_is_in_its_log_group(cloud: Cloud, function: str) -> None:
    lambda_functions.invoke(cloud, function, note="find me")

    events = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    assert 'handling {"note": "find me"}' in [event["message"] for event in events]


def test_a_function_that_is_deleted_while_it_runs_makes_no_log_group(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud)
    logs, kept = cloud.client("logs"), f"/aws/lambda/{name}"
    with ThreadPoolExecutor() as threads:
        running = threads.submit(lambda_functions.invoke, cloud, name, sleep=2)
        time.sleep(1)
        cloud.client("lambda").delete_function(FunctionName=name)
        running.result()

    assert [group for group in logs.describe_log_groups()["logGroups"] if group["logGroupName"] == kept] == []


def test_an_unknown_function_is_refused(cloud: Cloud) -> None:
    functions = cloud.client("lambda")

    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.invoke(FunctionName="nobody")


def test_an_event_invocation_is_answered_at_once_and_tried_again(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud)
    cloud.client("s3").create_bucket(Bucket="event-invocation", CreateBucketConfiguration={"LocationConstraint": cloud.region})
    event = b'{"put": "event-invocation", "error": "Oops", "failures": 1, "sleep": 1}'
    started = time.monotonic()

    answer = cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=event)

    assert answer["StatusCode"] == 202
    assert time.monotonic() - started < 0.9
    deadline = time.monotonic() + 20
    while not cloud.client("s3").list_objects_v2(Bucket="event-invocation")["KeyCount"]:
        assert time.monotonic() < deadline, "The event was never tried again."
        time.sleep(0.1)


def test_an_event_that_fails_for_good_is_told_to_its_destination_by_the_functions_own_role(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud)
    queue = cloud.client("sqs").create_queue(QueueName="lost-events")["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    cloud.client("lambda").put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})

    cloud.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=b'{"error": "Oops", "failures": 9}')

    told = json.loads(first_message(cloud, queue))
    assert told["requestContext"]["condition"] == "RetriesExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 3
    assert told["requestPayload"] == {"error": "Oops", "failures": 9}
    assert told["responsePayload"]["errorType"] == "Oops"


def first_message(cloud: Cloud, queue: str) -> str:
    deadline = time.monotonic() + 20
    while not (messages := cloud.client("sqs").receive_message(QueueUrl=queue).get("Messages")):
        assert time.monotonic() < deadline, "Nothing was told to the destination."
        time.sleep(0.1)
    return str(messages[0]["Body"])


def test_a_version_of_a_template_has_its_own_arn_and_keeps_its_code(cloud: Cloud) -> None:
    name = lambda_functions.create(cloud, program="def handle(event, context):\n    return 'old'\n")
    version = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": name}}
    template = {"Resources": {"Version": version}, "Outputs": {"Arn": {"Value": {"Ref": "Version"}}}}
    formation = cloud.client("cloudformation")
    formation.create_stack(StackName="versions", TemplateBody=json.dumps(template))
    [output] = formation.describe_stacks(StackName="versions")["Stacks"][0]["Outputs"]

    code = lambda_functions.zipped("def handle(event, context):\n    return 'new'\n")
    cloud.client("lambda").update_function_code(FunctionName=name, ZipFile=code)

    assert output["OutputValue"].endswith(f":function:{name}:1")
    assert lambda_functions.invoke(cloud, output["OutputValue"]) == ("old", None)
    assert lambda_functions.invoke(cloud, name) == ("new", None)
