"""What the server says of its own addresses holds for whatever schemathesis makes of it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from served_files import served


@pytest.fixture(scope="module")
def server(coloured_file, tmp_path_factory):
    with served([f"trees={coloured_file}"], tmp_path_factory.mktemp("described")) as server:
        yield server


@pytest.fixture(scope="module")
def described(server):
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_nothing_that_fits_the_description_or_not_makes_it_fail(case):
    answer = case.call()
    case.validate_response(answer, checks=[checks.not_a_server_error])
    assert answer.status_code < 500
