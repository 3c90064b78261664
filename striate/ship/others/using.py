"""How each target is used, as Markdown whose code runs as it stands."""

import json
from pathlib import Path
from shlex import quote

from striate.pictures.decode import brightness
from striate.preprocess import Preprocess
from striate.train.run import Run

ENDS = {"googlenet": ", aux_logits=False, init_weights=False"}  # what torchvision's network wants to be told beside
IMPORTS = "import json\nfrom pathlib import Path\n\nimport numpy as np\n"


def as_run(name: str) -> str:
    """A folder that striate opens like a run.

    Parameters
    ----------
    name
        of the folder
    """
    folder, there = quote(name), quote(f"OWNER/{name}")
    onnx = _code(f"""
{IMPORTS}import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession("model.onnx")
classes = json.loads(session.get_modelmeta().custom_metadata_map["striate"])["classes"]
picture = np.asarray(ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB"))
probabilities = session.run(["probabilities"], {{"pictures": picture[None]}})[0][0]
{_LIKELIEST}""")
    return f"""It opens like any run of striate, once it is here (`hf download {there} --local-dir {folder}`):

```sh
striate predict {folder} photo.jpg
striate serve {folder}
striate evaluate {folder} pictures/
striate train pictures/ --weights {folder}
```

`striate train pictures/ --weights {there}` fetches it, too. Without striate, one file does the whole way from
pixels of any size to probabilities:

```sh
striate export {folder} -o model.onnx --data pictures/
```

{onnx}"""


def as_weights(run: Run, file: str) -> str:
    """Weights under striate's names.

    Parameters
    ----------
    run
        whose
    file
        its name
    """
    code = _code(f"""
{IMPORTS}import striate as st
import torch
from safetensors import safe_open

about = json.loads(safe_open({file!r}, "pt").metadata()["striate"])
classes = about["classes"]
network = st.net(about["network"], weights={file!r}, classes=classes).eval()
levels = network.preprocess.read(Path("photo.jpg")).pixels
pictures = torch.from_numpy(network.preprocess.normalised(levels)[None])
{_answer(run)}""")
    return f"""As weights to begin with, `striate train pictures/ --weights {quote(file)}` takes it. In Python:

{code}"""


def as_torchvision(run: Run, model: str, file: str) -> str:
    """Weights under torchvision's names.

    Parameters
    ----------
    run
        whose
    model
        torchvision's function that makes the network
    file
        its name
    """
    made = f"torchvision.models.{model}(num_classes={len(run.classes)}{ENDS.get(model, '')})"
    imports, classes, state = _read(file)
    return _code(f"""
{IMPORTS}import torch
import torchvision
from PIL import Image, ImageOps
{imports}
classes = {classes}
network = {made}
network.load_state_dict({state}, strict=True)
network.eval()
{pixels(run.preprocess)}
{_answer(run)}""")


def as_timm(run: Run, file: str, config: str | None) -> str:
    """Weights under timm's names.

    Parameters
    ----------
    run
        whose
    file
        its name, or that of a folder
    config
        the name of the configuration that lies beside a file; a folder has it inside
    """
    if config is None:
        here, there = f"local-dir:{file}", f"hf-hub:OWNER/{file}"
        made = f"network = timm.create_model({here!r}, pretrained=True)  # uploaded: {there!r}\n"
    else:
        made = f"""about = json.loads(Path({config!r}).read_text(encoding="utf-8"))
network = timm.create_model(
    about["architecture"],
    pretrained=True,
    pretrained_cfg_overlay={{**about["pretrained_cfg"], "label_names": about["label_names"], "file": {file!r}}},
    num_classes=about["num_classes"],
    **about.get("model_args", {{}}),
)
"""
    if run.preprocess.fit == "pad":
        shown = f"# timm's own transform pads with the mean colour\n{pixels(run.preprocess)}"
    else:
        mode = "L" if run.preprocess.channels == "L" else "RGB"
        shown = f"""transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
picture = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{mode}")
pictures = transform(picture)[None]"""
    return _code(f"""
{IMPORTS}import timm
import torch
from PIL import Image, ImageOps

{made}network.eval()
classes = network.pretrained_cfg["label_names"]
{shown}
{_answer(run)}""")


def as_program(run: Run, file: str) -> str:
    """A program of PyTorch.

    Parameters
    ----------
    run
        whose
    file
        its name
    """
    rows, columns = run.preprocess.size
    channels = len(run.preprocess.mean)
    code = _code(f"""
{IMPORTS}import torch
from PIL import Image, ImageOps

about = {{"striate.json": ""}}
network = torch.export.load({file!r}, extra_files=about).module()
classes = json.loads(about["striate.json"])["classes"]
{pixels(run.preprocess)}
{_answer(run)}""")
    return f"""A program goes from normalised pictures (batch, {channels}, {rows}, {columns}) of float32 to logits
(batch, {len(run.classes)}), for batches of any length:

{code}"""


_LIKELIEST = """for place in np.argsort(-probabilities)[:5]:
    print(f"{probabilities[place]:.3f} {classes[place]}")"""


def _answer(run: Run) -> str:
    several = run.config["data"]["several"]
    return f"""with torch.inference_mode():
    probabilities = network(pictures){".sigmoid()" if several else ".softmax(1)"}[0].numpy()
{_LIKELIEST}"""


def _read(file: str) -> tuple[str, str, str]:
    """How a file of weights is read: imports, classes and weights."""
    if file.lower().endswith(".safetensors"):
        imports = "from safetensors import safe_open\nfrom safetensors.torch import load_file\n"
        return (
            imports,
            f'json.loads(safe_open({file!r}, "pt").metadata()["striate"])["classes"]',
            f"load_file({file!r})",
        )
    beside = str(Path(file).with_suffix(".about.json"))
    classes = f'json.loads(Path({beside!r}).read_text(encoding="utf-8"))["classes"]'
    return "", classes, f"torch.load({file!r}, weights_only=True)"


def pixels(preprocess: Preprocess) -> str:
    """Code by which Pillow makes of a file what a network takes: the steps of `Preprocess.pixels`, in whole numbers.

    Parameters
    ----------
    preprocess
        what is done
    """
    rows, columns = preprocess.size
    filter = f"Image.Resampling.{preprocess.interpolation.upper()}"
    gray = preprocess.channels == "L"
    lines = [
        f"# transparent parts are to be laid on {preprocess.background} first",
        f'picture = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("{"L" if gray else "RGB"}")',
    ]
    if preprocess.fit == "squash":
        lines.append(f"picture = picture.resize(({columns}, {rows}), {filter})")
    else:
        high, wide = rows, columns
        if preprocess.fit == "crop" and preprocess.resize:
            high, wide = (side * preprocess.resize // min(rows, columns) for side in (rows, columns))
        across, down = f"width * {high} // height", f"height * {wide} // width"
        if preprocess.fit == "crop":
            size, start = f"max({across}, {wide}), max({down}, {high})", "round(({0} - {1}) / 2)"
        else:
            size = f"max(min({across}, {wide}), 1), max(min({down}, {high}), 1)"
            start = "({1} - {0}) // 2"
        lines += [
            "width, height = picture.size",
            f"width, height = {size}",
            f"left, top = {start.format('width', columns)}, {start.format('height', rows)}",
            f"picture = picture.resize((width, height), {filter})",
        ]
        if preprocess.fit == "crop":
            lines.append(f"picture = picture.crop((left, top, left + {columns}, top + {rows}))")
        else:
            paper = brightness(preprocess.background) if gray else preprocess.background
            lines += [
                f"paper = Image.new(picture.mode, ({columns}, {rows}), {paper})",
                "paper.paste(picture, (left, top))",
                "picture = paper",
            ]
    lines.append(f"levels = np.asarray(picture, np.float32).reshape({rows}, {columns}, {1 if gray else 3})")
    if preprocess.channels == "BGR":
        lines.append("levels = levels[:, :, ::-1]  # blue first")
    share = "levels / 255" if preprocess.scale == 1 else "levels"
    mean, std = (f"np.array({json.dumps(values)}, np.float32)" for values in (preprocess.mean, preprocess.std))
    lines.append(f"normalised = ({share} - {mean}) / {std}")
    lines.append("pictures = torch.from_numpy(normalised.transpose(2, 0, 1)[None].copy())")
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"```python\n{text.strip()}\n```"
