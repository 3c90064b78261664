"""What the server says of its own addresses holds for whatever schemathesis makes of it."""

import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from served_files import served

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
# what fits the description, and what does not
MODES = [
    pytest.param(mode, marks=[pytest.mark.slow] * (mode is schemathesis.GenerationMode.NEGATIVE), id=mode.value)
    for mode in schemathesis.GenerationMode
]


@pytest.fixture(scope="module")
def server(coloured_file, tmp_path_factory):
    with served([f"trees={coloured_file}"], tmp_path_factory.mktemp("described")) as server:
        yield server


@pytest.mark.parametrize("mode", MODES)
def test_nothing_makes_it_fail_and_answers_are_as_described(server, mode):
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    seen: set[int] = set()
    kinds: set[str | None] = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=12, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case):
            answer = case.call()
            seen.add(answer.status_code)
            kinds.add(case.media_type)
            case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except Unsatisfiable:  # nothing about a request without parameters can be wrong
            assert mode is schemathesis.GenerationMode.NEGATIVE
    assert seen & {400, 415, 422}
    assert {"application/json", "multipart/form-data"} <= kinds
    assert mode is schemathesis.GenerationMode.NEGATIVE or 200 in seen


def test_all_that_it_refers_to_is_there(server):
    told = server.ask("GET", "/openapi.json").told
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(told)))
    assert "InferenceRequest" in named
    assert named <= told["components"]["schemas"].keys()
