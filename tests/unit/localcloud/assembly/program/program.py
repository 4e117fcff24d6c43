"""What the functions of the tests do: whatever their event says."""

import json
import os
import time

import boto3

seen = []


def handle(event, context):
    seen.append(event)
    print("handling", json.dumps(event, sort_keys=True))
    if "exit" in event:
        os._exit(event["exit"])
    time.sleep(event.get("sleep", 0))
    attempt = sum(1 for one in seen if one == event)
    if attempt <= event.get("failures", 0):
        raise type(event["error"], (Exception,), {})(f"attempt {attempt}")
    if "put" in event:
        boto3.client("s3").put_object(Bucket=event["put"], Key=f"{time.time()}", Body=json.dumps(event).encode())
    return {
        "seen": len(seen),
        "process": os.getpid(),
        "variable": os.environ.get("GREETING"),
        "variables": sorted(os.environ),
        "function": context.function_name,
        "milliseconds": context.get_remaining_time_in_millis(),
        "who": boto3.client("sts").get_caller_identity()["Arn"],
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
    }
