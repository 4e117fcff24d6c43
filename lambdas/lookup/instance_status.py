"""What a DB instance's or a cluster's status means for a restore (Amazon RDS User Guide, "Viewing Amazon RDS DB instance status"; Amazon
Aurora User Guide, "Viewing DB cluster status").

`available` is only one of those in which a database can be used: in others RDS works on backups, storage, logs or monitoring beside it,
for more than a day at times. Whether RDS takes a change of the group list in them, it says itself.
"""

from dbrestore.contract import limits
from dbrestore.contract.errors import NotReady, TargetNotUsable

# The server answers, whatever RDS does beside it.
USABLE = frozenset(
    {
        "available",
        "backing-up",
        "configuring-enhanced-monitoring",
        "configuring-iam-database-auth",
        "configuring-log-exports",
        "storage-config-upgrade",
        "storage-initialization",
        "storage-optimization",
    }
)
# They end by themselves, and the server may be away meanwhile.
PASSING = frozenset(
    {
        "converting-to-vpc",
        "creating",
        "failing-over",
        "maintenance",
        "migrating",
        "modifying",
        "moving-to-vpc",
        "promoting",
        "rebooting",
        "renaming",
        "resetting-master-credentials",
        "starting",
        "update-iam-db-auth",
        "upgrading",
    }
)


def later(name: str, why: str, waited: float) -> NotReady | TargetNotUsable:
    """What to raise while the group list of `name` can't be changed; `why` is a clause that begins with a verb, `waited` in seconds."""
    if waited > limits.GROUPS_ACTIVE_WITHIN:
        minutes = limits.GROUPS_ACTIVE_WITHIN // 60
        return TargetNotUsable(
            f"{name} {why} for over {minutes} minutes, and until that is over its group list can't be changed: start again when it is"
        )
    return NotReady(f"waiting for {name}, which {why}, to let its group list be changed")
