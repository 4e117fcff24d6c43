"""What calls functions besides the flow: executions that ended by themselves, the clock, files of the archive that can be read."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs


@dataclass(frozen=True)
class Occasions:
    """The rules of a ControlStack; what can't be delivered goes into the queue."""

    stack: Stack
    functions: dict[str, lambda_.Function]
    machine_arn: str
    repository: s3.IBucket
    undelivered: sqs.IQueue

    def all(self) -> None:
        """Make them."""
        self._sweeping()
        self._hearing()

    def _sweeping(self) -> None:
        """No Catch runs when an execution is stopped or times out: this is what cleans up then, and what finds whatever is missed."""
        sweeper = self._target("SweepLedger")
        events.Rule(
            self.stack,
            "ExecutionEnded",
            description="dbrestore: clean up after a restore that did not end by itself",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"status": ["FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": [self.machine_arn]},
            ),
            targets=[sweeper],
        )
        removals, strays = self._target("RemovePoints", dryRun=False), self._target("CleanUpStrays", dryRun=False)
        abandoned = self._target("RemoveAbandonedPoints")
        looks = (
            ("EveryFiveMinutes", "find restores whose execution no longer runs", Duration.minutes(5), sweeper),
            ("EveryQuarterHour", "finish removals of points whose function died", Duration.minutes(15), removals),
            ("EveryDay", "find what carries its tags and belongs to no restore", Duration.days(1), strays),
            ("EveryDayPoints", "delete copies for points that nobody finished", Duration.days(1), abandoned),
        )
        for id_, purpose, often, target in looks:
            events.Rule(self.stack, id_, description=f"dbrestore: {purpose}", schedule=events.Schedule.rate(often), targets=[target])

    def _hearing(self) -> None:
        """S3 tells when an archived file of the repository can be read; without it the slow look of the restore that waits finds it."""
        events.Rule(
            self.stack,
            "RetrievalCompleted",
            description="dbrestore: wake the restore that waits for a file of the archive",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Restore Completed"],
                detail={"bucket": {"name": [self.repository.bucket_name]}},
            ),
            targets=[self._target("HearRetrieval")],
        )

    def _target(self, state: str, **question: Any) -> targets.LambdaFunction:
        """It is given the event, or the question if there is one."""
        event = events.RuleTargetInput.from_object(question) if question else None
        return targets.LambdaFunction(self.functions[state], event=event, dead_letter_queue=self.undelivered)
