"""`dbrestore points adoptions`: the rules as they were deployed, and what has come of each."""

from dbrestore.contract.adoption.answers import Adopted, AdoptionAnswer, AdoptionQuestion, RuleState
from dbrestore.contract.adoption.rules import AdoptionRule
from dbrestore.contract.errors import RestoreRequestInvalid
from lambdas.adding.adopting.rows import AdoptionRows
from lambdas.adding.adopting.telling import not_adopted
from lambdas.configuration import adoption as adoption_configuration
from lambdas.runtime.state import Surroundings, handler


@handler("ListAdoptions", AdoptionQuestion, asked=True)
def list_adoptions(question: AdoptionQuestion, surroundings: Surroundings) -> AdoptionAnswer:
    """Raises AdoptionConfigurationInvalid if the file can't be read, RestoreRequestInvalid for a rule that isn't in it."""
    rules = adoption_configuration.deployed(surroundings.settings.adoption_configuration).rules
    asked = [rule for rule in rules if question.rule in (None, rule.name)]
    if question.rule and not asked:
        known = ", ".join(rule.name for rule in rules) or "none at all"
        raise RestoreRequestInvalid(f"/rule: there is no rule {question.rule}: the installation has {known}")
    return AdoptionAnswer(rules=tuple(_state(rule, AdoptionRows(surroundings.table, rule.name), question.most) for rule in asked))


def _state(rule: AdoptionRule, rows: AdoptionRows, most: int) -> RuleState:
    looked = rows.looked()
    points = sorted((row for row in rows.points() if row.state != "FAILED"), key=lambda row: row.point_id, reverse=True)
    refused = sorted(rows.refused(), key=lambda row: row.at, reverse=True)
    return RuleState(
        rule=rule,
        looked_at=looked.at if looked else None,
        waiting=looked.waiting[:most] if looked else (),
        adopted=tuple(Adopted(uri=row.uri, files=row.files, state=row.state, point_id=row.point_id, at=row.at) for row in points[:most]),
        not_adopted=tuple(map(not_adopted, refused[:most])),
    )
