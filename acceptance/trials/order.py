"""All trials, in the order in which they are tried."""

from acceptance.trials import restoring
from acceptance.trials.trial import Trial

TRIALS: tuple[Trial, ...] = (
    restoring.POSTGRESQL,
    restoring.WORKER_KILLED,
    restoring.SQLSERVER,
)
