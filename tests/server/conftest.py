from tests.mobile_api.conftest import authority, stage

__all__ = ["authority", "stage"]
