"""The addresses of a server, and what they answer."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from striate import __version__
from striate.ship.serve import inference, pages
from striate.ship.serve.crew import Answer
from striate.ship.serve.desk import Desk, Gone
from striate.ship.serve.figures import Figures
from striate.ship.serve.places import Place
from striate.ship.serve.reading import MOST, PARAMETERS, Read, pictures, read
from striate.ship.serve.refusal import REASONS, Refusal, reasons
from striate.ship.serve.served import Served
from striate.show.names import listed, printable


class Likely(BaseModel):
    """A class and how likely it is."""

    class_: str = Field(alias="class")
    probability: float


class Prediction(BaseModel):
    """What a model says of a picture."""

    picture: str = Field(description="the name that the client gave it, or 'the body'")
    answers: list[Likely] = Field(description="the likeliest classes, the likeliest first")
    unknown: bool | None = Field(
        None, description="with --unknown-below: whether even the likeliest class is less probable than that"
    )
    notes: list[str] = Field(description="what had to be done to read it: turned upright, laid on a background")
    map: list[list[float]] | None = Field(
        None,
        description="with ?map=true: what each position says for the likeliest class, rows of columns; "
        "their mean is its logit less its bias",
    )
    seen: list[float] | None = Field(
        None, description="the part of the picture that the map lies on: top, bottom, left, right as shares"
    )


class Predictions(BaseModel):
    """The answer to a request."""

    model: str
    predictions: list[Prediction] = Field(description="one for each picture, in their order")


class Health(BaseModel):
    """That a server is there."""

    status: str


FILE = {"type": "string", "format": "binary"}
SEVERAL = {"type": "object", "properties": {"picture": {"type": "array", "items": FILE, "minItems": 1}}}
BODY = {
    "required": True,
    "content": {
        **{f"image/{kind}": {"schema": FILE} for kind in ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")},
        "application/octet-stream": {"schema": FILE},
        "multipart/form-data": {"schema": SEVERAL},
    },
}


def application(
    desk: Desk, figures: Figures, ready: Callable[[], bool], token: bool, unknown_below: float | None
) -> FastAPI:
    """All addresses.

    Parameters
    ----------
    desk
        where requests go
    figures
        for /metrics
    ready
        whether new requests are wanted
    token
        whether requests need one
    unknown_below
        the probability from which on a class is named
    """
    app = FastAPI(
        title="striate",
        version=__version__,
        description="Pictures in, classes and their probabilities out.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    named: dict[str, Any] = {"enum": list(desk.models)}

    @app.post("/predict", response_model=Predictions, responses=reasons(*REASONS), openapi_extra={"requestBody": BODY})
    async def predict(
        request: Request,
        model: Annotated[
            str | None, Query(description="which model; not needed where there is one", json_schema_extra=named)
        ] = None,
        top: Annotated[int, Query(ge=1, le=MOST, description="how many classes, at most")] = 5,
        map: Annotated[bool, Query(description="whether to say where the likeliest class is seen")] = False,
    ) -> Response:
        """Classify a picture, or several as multipart/form-data; gzip and deflate are inflated."""
        asked = desk.model(model)
        unknown = [name for name in request.query_params if name not in PARAMETERS]
        if unknown:
            raise Refusal(
                422, f"the parameters of /predict are {', '.join(PARAMETERS)}, but not {listed(unknown)[:100]}"
            )
        for name in PARAMETERS:
            if (times := len(request.query_params.getlist(name))) > 1:
                raise Refusal(422, f"a parameter of /predict is given once, but ?{name}= is given {times} times")
        if map and not asked.has_map:
            raise Refusal(422, f"'{asked.name}' has no map: its classes are not means over positions")
        kind = request.headers.get("content-type", "")

        def parse(content: bytes) -> tuple[None, list[tuple[str, bytes]]]:
            return None, pictures(content, kind, desk.limits.pictures)

        def see(files: list[tuple[str, bytes]], place: Place) -> list[Read]:
            return read(files, asked.beside, desk.limits, place)

        def tell(_: None, seen: list[Read], answers: list[Answer]) -> Response:
            rows = [
                _prediction(asked, one, answer, top, map, unknown_below)
                for one, answer in zip(seen, answers, strict=True)
            ]
            return json_response({"model": asked.name, "predictions": rows})

        return await desk.answers(request, asked, parse, see, tell)

    @app.get("/models", response_model=list[dict[str, Any]], responses=reasons(401, 403))
    async def models() -> Response:
        """The models with their classes, and what their files say of themselves."""
        return json_response([model.told for model in desk.models.values()])

    @app.get("/healthz", response_model=Health, responses=reasons(403))
    async def healthz() -> Response:
        """Whether the server lives: always, if it answers."""
        return json_response({"status": "alive"})

    @app.get("/readyz", response_model=Health, responses=reasons(403, 503))
    async def readyz() -> Response:
        """Whether it wants requests: not while it stops."""
        if not ready():
            raise Refusal(503, "the server stops and wants no more requests", 1)
        return json_response({"status": "ready"})

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, **reasons(401, 403)})
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(figures.text(), media_type="text/plain; version=0.0.4")

    inference.add(app, desk, ready)
    pages.add(app, desk, token)

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return refusal(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [(fault["loc"][-1], printable(fault["input"], 100)) for fault in error.errors()]
        told = "; ".join(f"?{name}= is {PARAMETERS[name]}, but not '{value}'" for name, value in faults)
        return refusal(request, Refusal(422, told))

    @app.exception_handler(HTTPException)
    async def elsewhere(request: Request, error: HTTPException) -> Response:
        headers = error.headers or {}
        why = error.detail
        if error.status_code == 404:
            why = "there is nothing at this address; /docs says what there is"
        elif error.status_code == 405:
            methods = headers["Allow"].split(", ")
            headers = {**headers, "Allow": ", ".join(dict.fromkeys([*methods, *["HEAD"] * ("GET" in methods)]))}
            why = f"this address answers {headers['Allow']}, but not {printable(request.method, 100)}"
        return refusal(request, Refusal(error.status_code, why), headers)

    @app.exception_handler(Gone)
    async def gone(request: Request, error: Gone) -> Response:
        return Response(status_code=499)  # nobody reads it

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:  # the guard logs it
        return refusal(request, Refusal(500, "the server failed; its log says why"))

    return app


def _prediction(
    model: Served, picture: Read, answer: Answer, top: int, map: bool, unknown_below: float | None
) -> dict[str, Any]:
    """A picture's part of the answer."""
    order = (-answer.probabilities).argsort(kind="stable")[:top]
    names = model.beside.classes
    told: dict[str, Any] = {
        "picture": picture.name,
        "answers": [{"class": names[place], "probability": float(answer.probabilities[place])} for place in order],
        "notes": list(picture.notes),
    }
    if unknown_below is not None:
        told["unknown"] = float(answer.probabilities[order[0]]) < unknown_below
    if map and answer.map is not None:
        told["map"] = answer.map.tolist()
        told["seen"] = model.beside.about.preprocess.seen(picture.size)
    return told


def refusal(request: Request, why: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal as an answer."""
    request.state.told["reason"] = str(why)
    return Response(why.body(request.state.request), why.status, {**why.headers, **(headers or {})})


def json_response(content: Any) -> Response:
    """An answer as JSON."""
    return Response(json.dumps(content), media_type="application/json")
