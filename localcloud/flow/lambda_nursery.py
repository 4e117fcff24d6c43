"""Run in the process that functions' processes are copied from, when it starts."""

from localcloud.flow.lambda_child import read_service_models

read_service_models()
