from tests.statemachine.conftest import world

__all__ = ["world"]
