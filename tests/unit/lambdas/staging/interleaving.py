"""Several invocations at once, one AWS call at a time: a schedule decides whose call is next, so every order can be tried.

Behind the real code stand a DynamoDB table and S3 buckets in memory: only what the lease and the bucket ask of them, each call atomic.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from dbrestore.contract.errors import NotReady
from tests.statemachine.plain_moto import Died

MOST_STEPS = 2_000
# S3's quota of a bucket policy, in bytes.
LARGEST_POLICY = 20_480


class Schedule:
    """Runs one actor until it ends, waits or is preempted. `preemptions`: number of the step before which -> the actor that goes on."""

    def __init__(self, preemptions: Mapping[int, int], check: Callable[[], None]) -> None:
        self.steps: list[tuple[int, tuple[int, ...]]] = []
        self._preemptions, self._check = preemptions, check
        self._turns: list[threading.Semaphore] = []
        self._back = threading.Semaphore(0)
        self._waiting: set[int] = set()
        self._alive: set[int] = set()
        self._errors: list[BaseException] = []
        self._mine = threading.local()

    def run(self, actors: list[Callable[[], None]]) -> None:
        """All of them to their end. Raises what one of them raised, or AssertionError if they wait for each other."""
        self._turns = [threading.Semaphore(0) for _ in actors]
        self._alive = set(range(len(actors)))
        threads = [threading.Thread(target=self._act, args=one, daemon=True) for one in enumerate(actors)]
        for thread in threads:
            thread.start()
        current = 0
        while self._alive and not self._errors:
            assert len(self.steps) < MOST_STEPS, f"they wait for each other: {sorted(self._alive)}"
            current = self._next(current)
            self.steps.append((current, tuple(sorted(self._alive))))
            self._turns[current].release()
            self._back.acquire()
            self._check()
        if self._errors:
            raise self._errors[0]

    def call(self) -> None:
        """Called before each AWS call: it happens when it is this actor's turn."""
        self._back.release()
        self._turns[self._mine.number].acquire()

    def waits(self) -> None:
        """The actor will try again when others have gone on."""
        self._waiting.add(self._mine.number)

    def _act(self, number: int, work: Callable[[], None]) -> None:
        self._mine.number = number
        self._turns[number].acquire()
        try:
            work()
        except BaseException as error:
            self._errors.append(error)
        self._alive.discard(number)
        self._back.release()

    def _next(self, current: int) -> int:
        wanted = self._preemptions.get(len(self.steps), current)
        ready = sorted(self._alive - self._waiting) or sorted(self._alive)
        self._waiting -= {wanted} if ready == sorted(self._alive) else set()
        if wanted in ready:
            return wanted
        self._waiting.clear()
        return next((n for n in ready if n > current), ready[0])


def until_done(schedule: Schedule, invoke: Callable[[], Any]) -> Any:
    """Call like the state's Retry does; while it waits others go on."""
    while True:
        try:
            return invoke()
        except NotReady:
            schedule.waits()


@dataclass
class Items:
    """A DynamoDB client of one table, as far as `dbrestore.ledger.table` uses it."""

    schedule: Schedule | None = None
    items: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def get_item(self, *, Key: Any, **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's names
        self._call()
        found = self.items.get(_place(Key))
        return {"Item": deepcopy(found)} if found else {}

    def get_paginator(self, _operation: str) -> "Items":
        return self

    def paginate(self, *, ExpressionAttributeValues: Any, **_: Any) -> list[dict[str, Any]]:  # noqa: N803
        self._call()
        pk, prefix = ExpressionAttributeValues[":pk"]["S"], ExpressionAttributeValues.get(":prefix", {}).get("S", "")
        found = [self.items[place] for place in sorted(self.items) if place[0] == pk and place[1].startswith(prefix)]
        return [{"Items": deepcopy(found)}]

    def transact_write_items(self, *, TransactItems: Any, **_: Any) -> None:  # noqa: N803
        self._call()
        writes = [next(iter(write.items())) for write in TransactItems]
        held = [_holds(write, self.items.get(_place(write.get("Key") or write["Item"]), {})) for _, write in writes]
        if not all(held):
            reasons = [{"Code": "None" if one else "ConditionalCheckFailed"} for one in held]
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise ClientError(answer, "TransactWriteItems")
        for kind, write in writes:
            self._write(kind, write)

    def _write(self, kind: str, write: Any) -> None:
        if kind == "Put":
            self.items[_place(write["Item"])] = deepcopy(write["Item"])
        if kind == "Update":
            item = self.items.setdefault(_place(write["Key"]), dict(write["Key"]))
            for name, value in re.findall(r"#(\w+) = (:\w+)", write["UpdateExpression"]):
                item[name] = write["ExpressionAttributeValues"][value]

    def _call(self) -> None:
        if self.schedule:
            self.schedule.call()


def _place(item: Any) -> tuple[str, str]:
    return (item["pk"]["S"], item["sk"]["S"])


def _holds(write: Any, item: dict[str, Any]) -> bool:
    """The condition as Python: names are attributes, values what was given."""
    text = write.get("ConditionExpression", "True").replace("attribute_not_exists(pk)", "not item")
    text = text.replace("attribute_exists(pk)", "bool(item)")
    text = re.sub(r"attribute_not_exists\((\w+)\)", r"'\1' not in item", text)
    text = re.sub(r"(?<![#:'\w])(\w+) (?=[<=])", r"item.get('\1') ", text).replace(" = ", " == ").replace("<>", "!=")
    text = re.sub(r"#(\w+)", r"item.get('\1')", text).replace(" OR ", " or ").replace(" AND ", " and ")
    text = re.sub(r":(\w+)", r"values[':\1']", text).replace(" IN ", " in ")
    return bool(eval(text, {}, {"item": item, "values": write.get("ExpressionAttributeValues", {})}))  # noqa: S307


@dataclass
class Buckets:
    """An S3 client, as far as the temporary bucket needs one. Bucket -> {key: what lies there}; settings but the policy are let pass."""

    schedule: Schedule | None = None
    objects: dict[str, set[str]] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    unknown_roles: set[str] = field(default_factory=set)
    dies_at: int | None = None
    calls: int = 0

    def create_bucket(self, *, Bucket: str, **_: Any) -> None:  # noqa: N803
        self._call()
        if Bucket in self.objects:
            raise _refusal("BucketAlreadyOwnedByYou")
        self.objects[Bucket] = set()
        self.made.append(Bucket)

    def put_bucket_policy(self, *, Bucket: str, Policy: str, **_: Any) -> None:  # noqa: N803
        self._call(Bucket)
        if any(role in Policy for role in self.unknown_roles):
            raise _refusal("MalformedPolicy", "Invalid principal in policy")
        if len(Policy.encode()) > LARGEST_POLICY:
            raise _refusal("PolicyTooLarge")
        self.policies[Bucket] = Policy

    def put_object(self, *, Bucket: str, Key: str) -> None:  # noqa: N803
        self._call(Bucket)
        self.objects[Bucket].add(Key)

    def delete_objects(self, *, Bucket: str, Delete: Any, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._call(Bucket)
        self.objects[Bucket] -= {item["Key"] for item in Delete["Objects"]}
        return {}

    def delete_bucket(self, *, Bucket: str, **_: Any) -> None:  # noqa: N803
        self._call(Bucket)
        if self.objects[Bucket]:
            raise _refusal("BucketNotEmpty")
        del self.objects[Bucket]
        self.policies.pop(Bucket, None)

    def head_bucket(self, *, Bucket: str, **_: Any) -> None:  # noqa: N803
        self._call()
        if Bucket not in self.objects:
            raise _refusal("404")

    def get_paginator(self, operation: str) -> Any:
        return _Pages(self, operation)

    def list(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        self._call(bucket)
        found = [{"Key": key, "VersionId": "null"} for key in sorted(self.objects[bucket]) if key.startswith(prefix)]
        yield {"Versions": found}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("put_"):
            raise AttributeError(name)
        return lambda Bucket, **_: self._there(Bucket)  # noqa: N803

    def _call(self, bucket: str = "") -> None:
        self.calls += 1
        if self.calls == self.dies_at:
            raise Died("before the call")
        if self.schedule:
            self.schedule.call()
        if bucket:
            self._there(bucket)

    def _there(self, bucket: str) -> None:
        if bucket not in self.objects:
            raise _refusal("NoSuchBucket")


@dataclass(frozen=True)
class _Pages:
    buckets: Buckets
    operation: str

    def paginate(self, *, Bucket: str, Prefix: str, **_: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        return self.buckets.list(Bucket, Prefix) if self.operation == "list_object_versions" else iter(())


def _refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message or code}}, "Call")
