"""One page of CloudWatch with what the metrics say. It costs money (a dashboard's price a month), so the context switches it on."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infrastructure.alarms import Watched

DAY = Duration.days(1)
HALF = 12
# With their dimensions, as lambdas.closing.close_restore writes them.
OF_RESTORES = "outcome,engine,mode"
COUNTED = (
    ("Drills", ("PassedDrills", "FailedDrills", "SkippedDrills")),
    ("Left behind", ("Leftovers", "Strays")),
    ("Evidence that wasn't made, and errors without a name", ("EvidenceFailures", "UnexpectedErrors")),
    ("Clean-ups after interrupted restores, events that weren't sent", ("CleanUps", "UnsentEvents")),
)


def dashboard(scope: Construct, watched: Watched) -> cloudwatch.Dashboard:
    """Named as the installation."""
    made = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=watched.prefix, default_interval=Duration.days(30))
    made.add_widgets(
        _searched(watched.prefix, "Restores by outcome", "Restores", "Sum"),
        _searched(watched.prefix, "Seconds of a restore, the longest", "RestoreSeconds", "Maximum"),
    )
    counted = [_graph(title, [_own(watched.prefix, name) for name in metrics]) for title, metrics in COUNTED]
    made.add_widgets(*counted[:2])
    made.add_widgets(*counted[2:])
    made.add_widgets(_graph("Errors of SweepLedger", [watched.sweeper.metric_errors(period=DAY)]), _undelivered(watched))
    return made


def _searched(prefix: str, title: str, name: str, statistic: str) -> cloudwatch.GraphWidget:
    """All values of the dimensions, which nobody knows beforehand."""
    search = f"SEARCH('{{{prefix},{OF_RESTORES}}} MetricName=\"{name}\"', '{statistic}', {DAY.to_seconds():.0f})"
    return _graph(title, [cloudwatch.MathExpression(expression=search, label="", using_metrics={}, period=DAY)])


def _undelivered(watched: Watched) -> cloudwatch.GraphWidget:
    queues = [queue for queue in (watched.undelivered, watched.undelivered_drills, watched.undelivered_answers) if queue]
    waiting = [queue.metric_approximate_number_of_messages_visible(period=DAY, statistic="Maximum") for queue in queues]
    return _graph("Undelivered messages", waiting)


def _graph(title: str, metrics: Sequence[cloudwatch.IMetric]) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=HALF, left_y_axis=cloudwatch.YAxisProps(min=0))


def _own(prefix: str, name: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(namespace=prefix, metric_name=name, period=DAY, statistic="Sum")
