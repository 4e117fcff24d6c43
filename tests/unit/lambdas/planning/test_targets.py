"""What a plan says of its target, whatever the run is for."""

from typing import Any

from lambdas.planning import targets
from lambdas.planning.credentials import Credentials
from lambdas.planning.findings import Place

PLACE = Place("aws", "eu-central-1", "123456789012")
INSTANCE: Any = {
    "DBInstanceIdentifier": "orders-prod",
    "DbiResourceId": "db-ABC",
    "DBInstanceArn": "arn:aws:rds:eu-central-1:123456789012:db:orders-prod",
    "Engine": "postgres",
    "EngineVersion": "17.10",
    "Endpoint": {"Address": "orders-prod.example", "Port": 5432},
    "DBSubnetGroup": {"VpcId": "vpc-1"},
    "AvailabilityZone": "eu-central-1a",
}


def test_a_target_that_nobody_logs_into_is_the_same_but_for_the_way_in() -> None:
    credentials = Credentials(secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:s", by="the request")

    entered, stood_beside = targets.planned(PLACE, INSTANCE, credentials), targets.planned(PLACE, INSTANCE, None)

    way_in = {"host": "", "port": 0, "secret_arn": "", "credentials_by": ""}
    assert stood_beside == entered.model_copy(update=way_in)
    assert (entered.host, entered.port, entered.secret_arn) == ("orders-prod.example", 5432, credentials.secret_arn)


def test_an_instance_that_has_no_endpoint_yet_can_be_stood_beside() -> None:
    nascent = {key: value for key, value in INSTANCE.items() if key not in ("Endpoint", "AvailabilityZone")}

    assert targets.planned(PLACE, nascent, None).availability_zone == ""
