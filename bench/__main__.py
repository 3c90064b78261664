"""Run the benches, all or those that are named: `python -m bench`, `python -m bench ledger`."""

import sys
from importlib import import_module

BENCHES = {
    "start": "whole processes: `striate shapes vgg16` beside `import torch`, `striate --help`",
    "ledger": "from a name to a finished ledger, beside torchvision with torchinfo",
}

if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in BENCHES]
    if unknown:
        known = "\n".join(f"  {name:8} {what}" for name, what in BENCHES.items())
        sys.exit(f"no bench is called {', '.join(unknown)}; there are\n{known}")
    for name in sys.argv[1:] or BENCHES:
        print(f"# {name}: {BENCHES[name]}\n")
        import_module(f"bench.{name}").main()
        print()
