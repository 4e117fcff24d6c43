"""The last states of the flow: how it ended, for whoever looks at the execution's own status."""

from dbrestore.contract import errors
from statemachine.asl import choice, compare, fail, state, when

ENDING = (
    choice(
        "HowDidItEnd",
        when(
            compare("$.failure", IsPresent=True),
            compare("$.failure.Error", StringMatches="States.*"),
            then="RestoreBroke",
        ),
        when(
            compare("$.failure", IsPresent=True),
            compare("$.plan.mode", IsPresent=True),
            compare("$.plan.mode", StringEquals="drill"),
            then="DrillFailed",
        ),
        when(compare("$.failure", IsPresent=True), then="RestoreFailed"),
        when(compare("$.leftovers", IsPresent=True), then="LeftoversRemain"),
        when(compare("$.verified", IsPresent=True), then="RestoreSucceeded"),
        when(compare("$.swapped", IsPresent=True), then="RestoreSucceeded"),
        when(compare("$.added", IsPresent=True), then="PointAdded"),
        when(compare("$.cleanUp", IsPresent=True), then="CleanUpSucceeded"),
        Comment="The first error wins over leftovers; green needs verified databases, exchanged names, or a whole restore point.",
        Default="NothingRestored",
    ),
    state("RestoreSucceeded", Type="Succeed"),
    state("PointAdded", Type="Succeed"),
    state("CleanUpSucceeded", Type="Succeed"),
    state("DrillFailed", Type="Fail", ErrorPath="$.failure.Error", CausePath="$.failure.Cause"),
    state("RestoreFailed", Type="Fail", ErrorPath="$.failure.Error", CausePath="$.failure.Cause"),
    fail(
        "RestoreBroke",
        errors.RestoreFailed,
        Comment="A States.* error may not be a Fail state's own name; it stays in the cause.",
        CausePath="States.JsonToString($.failure)",
    ),
    fail(
        "LeftoversRemain",
        errors.LeftoversRemain,
        CausePath="States.JsonToString($.leftovers)",
    ),
    fail(
        "NothingRestored",
        errors.InternalContradiction,
        Cause="The flow ended without a verified database and without an error: report this as a bug",
    ),
)
