"""The Open Inference Protocol, version 2, as Triton and KServe speak it: with the binary extension of its clients."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Path, Request, Response
from pydantic import BaseModel, Field, WithJsonSchema

from striate import __version__
from striate.ship.about import MAP, PICTURES, PROBABILITIES
from striate.ship.serve.crew import Answer
from striate.ship.serve.desk import Desk
from striate.ship.serve.outputs import VERSION, Wanted, response, wanted
from striate.ship.serve.places import Place
from striate.ship.serve.reading import Read
from striate.ship.serve.refusal import Refusal, reasons
from striate.ship.serve.served import Served
from striate.ship.serve.tensors import HEADER, fitted, inputs, parsed
from striate.show.names import printable

Version = Annotated[str, WithJsonSchema({"type": "string", "enum": [VERSION]})]


class Tensor(BaseModel):
    """An input or output of a model."""

    name: str
    datatype: str
    shape: list[int] = Field(description="−1 is any number")


class Metadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class InputParameters(BaseModel, extra="forbid"):
    """Of pictures that follow the JSON."""

    binary_data_size: int | None = None
    content_type: str | None = None


class OutputParameters(BaseModel, extra="forbid"):
    """How an output is wanted."""

    binary_data: bool = False
    classification: int = Field(default=0, ge=0, lt=2**31, description="how many classes to name")


class RequestParameters(BaseModel, extra="forbid"):
    """How all outputs are wanted."""

    binary_data_output: bool = False


class InputTensor(BaseModel):
    """Pictures."""

    name: str = Field(json_schema_extra={"const": PICTURES})
    datatype: str = Field(json_schema_extra={"enum": ["UINT8", "BYTES"]})
    shape: list[int] = Field(description="[batch, height, width, 3] of UINT8, or [batch] of BYTES")
    data: list[Any] | None = Field(None, description="numbers; or base64 of files")
    parameters: InputParameters = InputParameters()


class OutputWanted(BaseModel, extra="forbid"):
    """An output that is asked for."""

    name: str = Field(json_schema_extra={"enum": [PROBABILITIES, MAP]})
    parameters: OutputParameters = OutputParameters()


class InferenceRequest(BaseModel, extra="forbid"):
    """A request of the protocol."""

    id: str | None = None
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[OutputWanted] | None = None
    parameters: RequestParameters = RequestParameters()
    model_name: str | None = Field(None, description="as in the address")


class OutputTensor(Tensor):
    """An answer."""

    data: list[float] | list[str] | None = Field(None, description="numbers; or probability:place:name of classes")


class InferenceResponse(BaseModel):
    """The answer to a request of the protocol."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/InferenceRequest"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
    },
}


def add(app: FastAPI, desk: Desk, ready: Callable[[], bool]) -> None:
    """Add the protocol's addresses.

    Parameters
    ----------
    app
        that gets them
    desk
        where requests go
    ready
        whether new requests are wanted
    """

    describe = app.openapi

    def described() -> dict[str, Any]:
        """The description of all addresses, with the request whose body is read by hand."""
        if app.openapi_schema:
            return app.openapi_schema
        told = describe()
        schema = InferenceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
        told["components"]["schemas"] |= {**schema.pop("$defs"), InferenceRequest.__name__: schema}
        return told

    app.openapi = described  # type: ignore[method-assign]

    def found(name: str, version: str) -> Served:
        if version != VERSION:
            raise Refusal(404, f"'{printable(name, 100)}' has the version {VERSION}, not '{printable(version, 50)}'")
        return desk.model(name)

    @app.get("/v2", responses=reasons(401, 403))
    async def server() -> dict[str, Any]:
        """What the server is."""
        return {"name": "striate", "version": __version__, "extensions": ["binary_tensor_data", "classification"]}

    @app.get("/v2/health/live", responses=reasons(403))
    async def live() -> dict[str, bool]:
        """Whether the server lives."""
        return {"live": True}

    @app.get("/v2/health/ready", responses=reasons(403, 503))
    async def server_ready() -> dict[str, bool]:
        """Whether it wants requests."""
        if not ready():
            raise Refusal(503, "the server stops and wants no more requests", 1)
        return {"ready": True}

    names: dict[str, Any] = {"enum": list(desk.models)}
    for versions in ("", "/versions/{version}"):

        @app.get(f"/v2/models/{{name}}{versions}/ready", responses=reasons(401, 403, 404, 422, 503))
        async def model_ready(
            name: Annotated[str, Path(json_schema_extra=names)], version: Version = VERSION
        ) -> dict[str, Any]:
            """Whether a model can be asked."""
            found(name, version)
            await server_ready()
            return {"name": name, "ready": True}

        @app.get(f"/v2/models/{{name}}{versions}", response_model=Metadata, responses=reasons(401, 403, 404, 422))
        async def metadata(
            name: Annotated[str, Path(json_schema_extra=names)], version: Version = VERSION
        ) -> dict[str, Any]:
            """What a model takes and gives. Files can be sent, too, as BYTES of shape [batch]."""
            model = found(name, version)
            classes = len(model.beside.classes)
            outputs = [{"name": PROBABILITIES, "datatype": "FP32", "shape": [-1, classes]}]
            if model.map_size:
                outputs.append({"name": MAP, "datatype": "FP32", "shape": [-1, *model.map_size]})
            pictures = {"name": PICTURES, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}
            platform = "onnxruntime_onnx"
            return {"name": name, "versions": [VERSION], "platform": platform, "inputs": [pictures], "outputs": outputs}

        @app.post(
            f"/v2/models/{{name}}{versions}/infer",
            response_model=InferenceResponse,
            responses=reasons(400, 401, 403, 404, 408, 413, 415, 422, 503),
            openapi_extra={"requestBody": BODY},
        )
        async def infer(
            request: Request, name: Annotated[str, Path(json_schema_extra=names)], version: Version = VERSION
        ) -> Response:
            """Answers to UINT8 pixels (batch, height, width, 3), or to files as BYTES; in JSON or binary."""
            model = found(name, version)
            header = request.headers.get(HEADER)

            def parse(content: bytes) -> tuple[Wanted, list[bytes] | np.ndarray]:
                told, rest = parsed(content, header)
                return wanted(told, model), inputs(told, rest, desk.limits)

            def see(given: list[bytes] | np.ndarray, place: Place) -> list[Read]:
                return fitted(given, model, desk.limits, place)

            def tell(asked: Wanted, _: list[Read], answers: list[Answer]) -> Response:
                return response(model, asked, answers)

            return await desk.answers(request, model, parse, see, tell)
