"""What a student calls an operation: 'conv 3×3 s2', 'maxpool 2×2 s2', 'fc', 'add'."""

from striate.measure.call import POOLS, Call, aten, slides
from striate.measure.trace import axes

NAMES = {
    aten.addmm.default: "fc",
    aten.mm.default: "fc",
    aten.bmm.default: "matmul",
    aten.baddbmm.default: "matmul",
    aten.cat.default: "concat",
    aten.add.Tensor: "add",
    aten.add_.Tensor: "add",
    aten.sub.Tensor: "subtract",
    aten.mul.Tensor: "multiply",
    aten.mul_.Tensor: "multiply",
    aten.div.Tensor: "divide",
    aten.native_batch_norm.default: "batch norm",
    aten.native_layer_norm.default: "layer norm",
    aten.native_group_norm.default: "group norm",
    aten.constant_pad_nd.default: "pad",
    aten._prelu_kernel.default: "prelu",
    aten.pow.Tensor_Scalar: "power",
    aten.sum.dim_IntList: "sum",
    aten._log_softmax.default: "log softmax",
    aten._safe_softmax.default: "softmax",
}
# modules of several operations that have a name of their own
MODULES = {"LocalResponseNorm": "lrn", "MultiheadAttention": "attention", "InstanceNorm2d": "instance norm"}


def kind(call: Call) -> str:
    """The name of one operation, with its window."""
    function = call.function
    if function is aten.convolution.default:
        return _conv(call)
    if function in POOLS:
        (f, s), _ = _window(call)
        return f"{POOLS[function]} {f} s{s}"
    name = str(function).removeprefix("aten.").partition(".")[0]
    if "adaptive" in name:
        pool = "maxpool" if "max" in name else "avgpool"
        size = "×".join(map(str, call.args[1]))
        return f"global {pool}" if set(call.args[1]) == {1} else f"{pool} to {size}"
    if name in ("mean", "amax") and _whole_map(call):
        return "global avgpool" if name == "mean" else "global maxpool"
    if name.startswith(("hardtanh", "clamp")) and tuple(call.args[1:3]) == (0, 6):
        return "relu6"
    if name.startswith("upsample"):
        return f"upsample to {'×'.join(map(str, call.shape[-2:]))}"
    return NAMES.get(function, name.strip("_").replace("_", " "))


def _whole_map(call: Call) -> bool:
    """Whether a reduction runs over height and width, and nothing else."""
    trace = call.trace(call.args[0])
    dims = call.get("dim", ())
    if not trace or not trace.dims or isinstance(dims, int):
        return False
    return sorted(axis for dim in dims for axis in axes(trace.dims[dim])) == [0, 1]


def _window(call: Call) -> tuple[tuple[str, str], bool]:
    """How a window's size and stride are written, and whether it has gaps."""
    each = slides(call.function, call.args)
    f, s = "×".join(str(w.f) for w in each), "×".join(str(v) for v in dict.fromkeys(w.s for w in each))
    return (f, s), any(w.dilation > 1 for w in each)


def _conv(call: Call) -> str:
    weight, groups, transposed = call.args[1], call.args[8], call.args[6]
    if transposed:
        f, s = ("×".join(map(str, v)) for v in (weight.shape[2:], dict.fromkeys(call.args[3])))
        return f"transposed conv {f} s{s}"
    (f, s), gaps = _window(call)
    depthwise = groups > 1 and groups == call.args[0].shape[1]
    text = f"{'depthwise' if depthwise else 'conv'} {f}"
    if s != "1":
        text += f" s{s}"
    if gaps:
        text += f" dilation {'×'.join(map(str, dict.fromkeys(call.args[5])))}"
    return text + (f", {groups} groups" if groups > 1 and not depthwise else "")
