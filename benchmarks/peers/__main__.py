"""``python -m benchmarks.peers MODULE FUNCTION FOLDER``: run one side of a peer and print its sample as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks.harness import sample

if __name__ == "__main__":
    module, function, folder = sys.argv[1:]
    side = getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)
    print(json.dumps(sample(side, Path(folder))))
