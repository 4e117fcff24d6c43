"""`dbrestore drill list`: the drills that are declared. The file is deployed with the functions, so a function tells what is in it."""

from dbrestore.contract.drills import DrillListAnswer, DrillListQuestion
from lambdas.configuration import drills as drill_configuration
from lambdas.runtime.state import Surroundings, handler


@handler("ListDrills", DrillListQuestion, asked=True)
def list_drills(question: DrillListQuestion, surroundings: Surroundings) -> DrillListAnswer:
    """Raises DrillConfigurationInvalid if the file can't be read."""
    return DrillListAnswer(drills=drill_configuration.deployed(surroundings.settings.drill_configuration).drills)
