"""All trials, in the order in which they are tried: later ones look at what the restores before them reported, and the last one leaves the
instance busy for hours."""

from acceptance.trials import changing, connecting, definition, networks, pairing, permissions, restoring, stopping, swapping
from acceptance.trials.trial import Trial

TRIALS: tuple[Trial, ...] = (
    definition.DEFINITION,
    permissions.GROUP_LIST,
    permissions.LAUNCH,
    restoring.POSTGRESQL,
    swapping.POSTGRESQL,
    networks.ENDPOINTS_ONLY,
    connecting.CONNECTING,
    restoring.WORKER_KILLED,
    restoring.SQLSERVER,
    swapping.SQLSERVER,
    networks.OWN_KEY,
    networks.SHARED_VPC,
    pairing.PAIRING,
    stopping.STOPPING,
    changing.CHANGING,
)
