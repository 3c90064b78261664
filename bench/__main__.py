"""Run the benches, all or those that are named: `python -m bench`, `python -m bench ledger`, `… data PHOTOS`."""

import sys
from importlib import import_module
from pathlib import Path

BENCHES = {
    "start": "whole processes: `striate shapes vgg16` beside `import torch`, `striate --help`",
    "ledger": "from a name to a finished ledger, beside torchvision with torchinfo",
    "data": "pictures to batches, beside torchvision's ImageFolder and DataLoader; needs a folder of photos",
    "train": "to an accuracy, beside a script as in PyTorch's examples; needs a folder of data",
    "overhead": "training beside a bare loop on the same batches; likewise",
    "reach": "what training from scratch reaches, over seeds and splits; likewise",
    "transfer": "a new head on a frozen network, beside a loop in PyTorch and beside fastai; likewise",
    "look": "looking inside, beside captum, pytorch-grad-cam and the usual loop; takes a folder of weights",
    "report": "`striate report` of 1,000 photos; needs a folder of data",
    "ship": "exported files beside eager PyTorch, `striate serve` beside FastAPI and LitServe; likewise",
    "check": "`striate check` of 10,000 photos; likewise",
    "data_memory": "the memory that an epoch takes, beside the same, and with 10,000 pictures beside 1,000; likewise",
    "int8_peak": "what this processor's arithmetic allows whole numbers of 8 bits, beside eager PyTorch",
    "int8_accuracy": "what whole numbers of 8 bits cost in accuracy on real photos; needs a folder of data",
}

if __name__ == "__main__":
    names = [word for word in sys.argv[1:] if not Path(word).is_dir()]
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        known = "\n".join(f"  {name:12} {what}" for name, what in BENCHES.items())
        sys.exit(f"no bench is called {', '.join(unknown)}; there are\n{known}")
    for name in names or BENCHES:
        print(f"# {name}: {BENCHES[name]}\n")
        import_module(f"bench.{name}").main()
        print()
