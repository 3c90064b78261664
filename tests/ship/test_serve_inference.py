"""The Open Inference Protocol: what its clients ask is answered, and what is not of it is told."""

import base64
import json

import numpy as np
import pytest
from answered import expected
from answered import files as files  # fixtures
from answered import server as server
from onnx import helper, numpy_helper
from served_files import served
from shipped_files import unsealed
from tinting import tinted

from striate.ship.checked import sealed
from striate.ship.shipped import open_shipped

MANY = 5000  # times three is more than is written while others wait


def tensor(data, kind: str, shape: list[int]) -> dict:
    return {"inputs": [{"name": "pictures", "datatype": kind, "shape": shape, "data": data}]}


def test_the_protocol_in_json(server, coloured, coloured_file, files):
    body = tensor([base64.b64encode(file).decode() for file in files], "BYTES", [len(files)])
    told = server.ask("POST", "/v2/models/trees/infer", json.dumps({**body, "id": "7"})).told
    assert (told["id"], told["model_name"], told["outputs"][0]["shape"]) == ("7", "trees", [4, 3])
    found = np.reshape(told["outputs"][0]["data"], (4, 3))
    wanted = [expected(coloured, coloured_file, file) for file in files]
    assert np.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "images"}, "the input is called pictures"),
        ({"datatype": "FP32"}, "pictures is UINT8"),
        ({"shape": [1, 2, 2, 4]}, "shape of UINT8 is"),
        ({"shape": [1, 2, 3, 3]}, "holds 18 numbers, but 12"),
        ({"shape": [-1, 2, 2, 3]}, "numbers above 0"),
        ({"shape": "many"}, "must be a list"),
        ({"data": [300] * 12}, "from 0 to 255"),
        ({"data": ["a"] * 12}, "from 0 to 255"),
        ({"data": [True] * 12}, "from 0 to 255"),
        ({"data": [[1], [2, 3]]}, "lists of one length"),
        ({"data": None}, "an input has data, or"),
        (
            {"parameters": {"shared_memory_region": "/dev/shm/x"}},
            "binary_data_size, content_type, but not shared_memory_region",
        ),
        ({"datatype": "BYTES", "shape": [1], "data": ["/etc/passwd"]}, "base64"),
        ({"datatype": "BYTES", "shape": [1], "data": ["http://127.0.0.1/"]}, "base64"),
    ],
)
def test_the_protocol_says_what_is_wrong(server, change, reason):
    body = tensor([1] * 12, "UINT8", [1, 2, 2, 3])
    assert server.ask("POST", "/v2/models/trees/infer", json.dumps(body)).status == 200
    body["inputs"][0].update(change)
    answer = server.ask("POST", "/v2/models/trees/infer", json.dumps(body))
    assert answer.status == 400
    assert reason in answer.told["error"]


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ({"name": "classes"}, "'trees' has the outputs probabilities, map, but 'classes' is asked"),
        ({"name": "probabilities", "parameters": {"sorted": True}}, "but not sorted"),
        ({"name": "probabilities", "parameters": {"binary_data": "yes"}}, "binary_data is true or false, but yes is"),
        ({"name": "probabilities", "classification": 1}, "an output may have name, parameters, but not classification"),
        ({"name": "probabilities", "parameters": {"classification": -1}}, "for probabilities -1 is given"),
        ({"name": "probabilities", "parameters": {"classification": True}}, "for probabilities True is given"),
        ({"name": "map", "parameters": {"classification": 2}}, "for map 2 is given"),
    ],
)
def test_an_output_that_there_is_not_is_refused(server, output, reason):
    body = {**tensor([1] * 12, "UINT8", [1, 2, 2, 3]), "outputs": [output]}
    answer = server.ask("POST", "/v2/models/trees/infer", json.dumps(body))
    assert answer.status == 400
    assert reason in answer.told["error"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"parameters": {"priority": 3, "timeout": 5}}, "parameters may have binary_data_output, but not priority, ti"),
        ({"parameters": {"binary_data_output": "true"}}, "binary_data_output is true or false, but true is given"),
        ({"output": []}, "a request may have id, inputs, outputs, parameters, model_name, but not output"),
        ({"model_name": "roses"}, "the address names 'trees', but model_name is roses"),
    ],
)
def test_what_a_request_wants_in_vain_is_refused(server, more, reason):
    body = tensor([1] * 12, "UINT8", [1, 2, 2, 3])
    assert server.ask("POST", "/v2/models/trees/infer", json.dumps({**body, "model_name": "trees"})).status == 200
    answer = server.ask("POST", "/v2/models/trees/infer", json.dumps({**body, **more}))
    assert answer.status == 400
    assert reason in answer.told["error"]


def test_long_answers_are_the_same(coloured_file, files, tmp_path):
    model = unsealed(coloured_file.read_bytes())
    del model.graph.output[1:]  # the map
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3 * MANY
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["of_three" if name == "probabilities" else name for name in names]
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, MANY]), "times"))
    model.graph.node.append(helper.make_node("Tile", ["of_three", "times"], ["probabilities"]))
    about = json.loads(model.metadata_props[0].value)
    classes = [f"class {n}" for n in range(3 * MANY)]
    model.metadata_props[0].value = json.dumps({**about, "classes": classes})
    (tmp_path / "many.onnx").write_bytes(sealed(model))
    with served([tmp_path / "many.onnx"], tmp_path) as server:
        body = tensor([base64.b64encode(files[0]).decode()], "BYTES", [1])
        body["outputs"] = [{"name": "probabilities", "parameters": {"classification": MANY}}]
        (told,) = server.ask("POST", "/v2/models/many/infer", json.dumps(body)).told["outputs"]
        assert (told["shape"], len(told["data"])) == ([1, MANY], MANY)
        rows = server.ask("POST", f"/predict?top={MANY}", files[0]).told["predictions"][0]["answers"]
        assert [text.split(":")[2] for text in told["data"]] == [row["class"] for row in rows]


def test_an_id_is_short(server):
    body = tensor([1] * 12, "UINT8", [1, 2, 2, 3])
    for length, status in ((256, 200), (257, 400)):
        answer = server.ask("POST", "/v2/models/trees/infer", json.dumps({**body, "id": "x" * length}))
        assert answer.status == status


def test_texts_for_numbers_take_no_more_than_they_are(server):
    before = server.memory("VmHWM")
    body = tensor(["a" * 2_000_000, *[""] * 250], "UINT8", [1, 2, 2, 3])
    assert server.ask("POST", "/v2/models/trees/infer", json.dumps(body)).status == 400
    assert server.memory("VmHWM") < before + 50  # MB; 251 texts of two million signs would be 2,000


def test_a_tensor_has_the_sides_of_a_picture(server):
    answer = server.ask("POST", "/v2/models/trees/infer", json.dumps(tensor([1], "UINT8", [1, 1, 70_000, 3])))
    assert answer.status == 422
    assert "65,535 pixels high and wide, but 1×70,000 is announced" in answer.told["error"]


@pytest.mark.parametrize("length", ["12a", "-1", "999999", "9" * 5000])
def test_a_length_that_is_none_is_refused(server, length):
    headers = {"Inference-Header-Content-Length": length}
    answer = server.ask("POST", "/v2/models/trees/infer", json.dumps(tensor([1] * 12, "UINT8", [1, 2, 2, 3])), headers)
    assert (answer.status, "is a number of bytes of the body" in answer.told["error"]) == (400, True)


def test_tritons_client(server, coloured_file, files, coloured):
    from tritonclient import http
    from tritonclient.utils import InferenceServerException

    client = http.InferenceServerClient(f"127.0.0.1:{server.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("trees")
        assert client.get_server_metadata()["name"] == "striate"
        told = client.get_model_metadata("trees")
        assert (told["inputs"][0]["datatype"], told["outputs"][0]["shape"]) == ("UINT8", [-1, 3])
        pixels = np.stack([tinted(n, n % 3, 40, 30) for n in range(5)])
        wanted = open_shipped(coloured_file)(pixels)
        for binary in (True, False):  # the first is what the client does by itself
            tensor = http.InferInput("pictures", list(pixels.shape), "UINT8")
            tensor.set_data_from_numpy(pixels, binary_data=binary)
            found = client.infer("trees", [tensor], request_id="9", request_compression_algorithm="gzip")
            assert np.allclose(found.as_numpy("probabilities"), wanted.probabilities, atol=1e-5)
            assert np.allclose(found.as_numpy("map"), wanted.maps, atol=1e-4)
            assert found.get_response()["id"] == "9"
        wanted = [expected(coloured, coloured_file, file) for file in files]
        names = http.InferInput("pictures", [len(files)], "BYTES")
        names.set_data_from_numpy(np.array(files, object))
        for binary in (True, False):
            output = http.InferRequestedOutput("probabilities", binary)
            found = client.infer("trees", [names], outputs=[output])
            assert np.allclose(found.as_numpy("probabilities"), wanted, atol=1e-5)
            likeliest = http.InferRequestedOutput("probabilities", binary, class_count=2)
            found = client.infer("trees", [names], outputs=[likeliest]).as_numpy("probabilities")
            assert found.shape == (4, 2)
            for row, probabilities in zip(found, wanted, strict=True):
                for text, place in zip(row, (-probabilities).argsort(), strict=False):
                    probability, where, name = (text.decode() if binary else text).split(":")
                    assert float(probability) == pytest.approx(probabilities[place], abs=1e-5)
                    assert (int(where), name) == (place, coloured.classes[place])
        with pytest.raises(InferenceServerException, match="no model is called 'woods'"):
            client.infer("woods", [names])
    finally:
        client.close()
