"""The page to drop a photo on, and the page that describes the addresses: nothing on them comes from elsewhere."""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response

from striate.ship.serve.desk import Desk
from striate.show.page import POLICY as STILL
from striate.show.page import STYLE, Section, page, table_html, text
from striate.show.table import Column, Table

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SCRIPT = Path(__file__).with_name("page.js").read_text("utf-8")
OWN_STYLE = """
body { max-width: 60rem; }
label { display: inline-flex; gap: .5rem; align-items: center; margin: .5rem 1.25rem .5rem 0; }
#model, #token { padding: .35rem .5rem; border: 1px solid var(--line); border-radius: 6px; font: inherit;
  background: var(--soft); color: var(--ink); max-width: 16rem; }
#drop { display: flex; flex-direction: column; align-items: center; justify-content: center; min-height: 9rem;
  margin: 1rem 0; padding: 1rem; border: 2px dashed var(--shade); border-radius: 10px; background: var(--soft);
  text-align: center; cursor: pointer; }
#drop.over, #drop:focus-within { border-color: var(--accent); }
#drop input { position: absolute; opacity: 0; width: 1px; height: 1px; }
#answer { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.5rem; align-items: start; }
@media (max-width: 40rem) { #answer { grid-template-columns: minmax(0, 1fr); } }
[hidden] { display: none !important; }
#photo { position: relative; line-height: 0; border-radius: 6px; overflow: hidden; background: var(--soft); }
#photo img { width: 100%; max-height: 70vh; object-fit: contain; }
#photo canvas { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
#photo:has(canvas:not([hidden])) img { filter: grayscale(1); } /* a colour stands out from gray alone */
#classes { width: 100%; table-layout: fixed; }
#classes th { overflow-wrap: anywhere; }
#classes .number { width: 4.5rem; }
#problem { color: var(--serious); }
"""


def drop_page(models: list[str], token: bool) -> str:
    """The page to drop a photo on.

    Parameters
    ----------
    models
        names of the models
    token
        whether requests need one
    """
    options = "".join(f'<option value="{text(name)}">{text(name)}</option>' for name in models)
    asking = f'<label>model <select id="model">{options}</select></label>'
    if token:  # whoever has none is not told the names, either
        hidden = "" if len(models) > 1 else " hidden"
        asking = (
            '<label>token <input id="token" type="password" autocomplete="off"></label> '
            f'<label{hidden}>model <input id="model" list="models"><datalist id="models"></datalist></label>'
        )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What is on this photo?</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body>
<main>
<h1>What is on this photo?</h1>
<p class="faint">It is sent to this server alone, and not kept. <a href="/docs">How programs ask</a></p>
<p>{asking}</p>
<label id="drop"><input id="file" type="file" accept="image/*"><span>Drop a photo here, paste it,
or choose a file</span></label>
<p id="problem" role="alert"></p>
<p id="busy" class="faint" role="status"></p>
<div id="answer" hidden>
<div><div id="photo"><img id="shown" alt="the photo"><canvas id="map" hidden></canvas></div>
<p><label id="overlay" hidden><input id="lay" type="checkbox" checked>
colour: where the likeliest class is seen, on the gray photo; dark: what the network does not see</label></p></div>
<div><table id="classes"><tbody></tbody></table><p id="notes" class="faint"></p></div>
</div>
</main>
</body>
</html>
"""


def docs_page(described: dict[str, Any], base: str, several: bool, token: bool) -> str:
    """What can be asked, from the description that programs read.

    Parameters
    ----------
    described
        as OpenAPI has it
    base
        where this server was found
    several
        whether there are several models
    token
        whether requests need one
    """
    curl = "curl -H 'Authorization: Bearer TOKEN'" if token else "curl"
    asking = ", which wants the token, too" if token else ""
    one, more = ("?top=3&model=NAME", "?model=NAME") if several else ("?top=3", "")
    asked = (
        f"{curl} --data-binary @photo.jpg '{base}/predict{one}'",
        f"{curl} -F picture=@a.jpg -F picture=@b.png '{base}/predict{more}'",
    )
    sections = []
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            sections.append(Section(f"{method.upper()} {path}", _operation(told)))
    lead = (
        f"<p>{text(described['info']['description'])}</p>"
        f'<p class="faint">The same for programs: <a href="/openapi.json">openapi.json</a>{asking}</p>'
        f'<pre class="scroll">{text(asked[0])}\n{text(asked[1])}\n\n'
        '{"model": "pets", "predictions": [{"picture": "a.jpg", "notes": [], "answers": ['
        '{"class": "cat", "probability": 0.93}, …]}, …]}</pre>'
    )
    return page("How programs ask", sections, lead)


def _operation(told: dict[str, Any]) -> str:
    parts = [f"<p>{text(told.get('description', told.get('summary', '')))}</p>"]
    heads = {"name": "parameter", "kind": "is", "what": "what it means"}
    columns = [Column(title, key, align="left") for key, title in heads.items()]
    rows = [
        {"name": one["name"], "kind": f"{_kind(one['schema'])} ({one['in']})", "what": one.get("description", "")}
        for one in told.get("parameters", [])
    ]
    if rows:
        parts.append(table_html(Table(columns, rows)))
    if "requestBody" in told:
        parts.append(f"<p>Body: {text(', '.join(told['requestBody']['content']))}</p>")
    columns = [Column(title, key, align="left") for key, title in {"status": "status", "what": "when"}.items()]
    rows = [{"status": status, "what": one["description"]} for status, one in told["responses"].items()]
    return "".join([*parts, table_html(Table(columns, rows))])


def _kind(schema: dict[str, Any]) -> str:
    kinds = [schema.get("type"), *(one.get("type") for one in schema.get("anyOf", []))]
    default = f", {json.dumps(schema['default'])} by itself" if "default" in schema else ""
    return " or ".join(kind for kind in kinds if kind and kind != "null") + default


def add(app: FastAPI, desk: Desk, token: bool) -> None:
    """Add the pages' addresses.

    Parameters
    ----------
    app
        that gets them
    desk
        whose models can be asked
    token
        whether requests need one
    """
    policy = {"content-security-policy": POLICY}
    front = drop_page(list(desk.models), token)

    @app.get("/", include_in_schema=False)
    async def drop() -> Response:
        return Response(front, media_type="text/html", headers=policy)

    @app.get("/page.css", include_in_schema=False)
    async def style() -> Response:
        return Response(STYLE + OWN_STYLE, media_type="text/css")

    @app.get("/page.js", include_in_schema=False)
    async def script() -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        policy = {"content-security-policy": f"{STILL}; frame-ancestors 'none'"}
        base = str(request.base_url).rstrip("/")
        told = docs_page(app.openapi(), base, len(desk.models) > 1, token)
        return Response(told, media_type="text/html", headers=policy)
