"""Step 1: an archived restore point's data is retrieved before anything is deployed."""

from lambdas.contract import PlannedInput
from lambdas.state import Restore, state
from repository.errors import NotSupportedYet


@state("RetrieveArchive", PlannedInput, makes=True)
def retrieve_archive(section: PlannedInput, restore: Restore) -> None:
    """Always refuses: PlanRestore lets no archived restore point come this far."""
    raise NotSupportedYet(
        f"The restore point {section.plan.source.restore_point} is archived, and this version does not retrieve archives: "
        "retrieve its files with S3 RestoreObject and copy them back to a storage class that can be read at once"
    )
