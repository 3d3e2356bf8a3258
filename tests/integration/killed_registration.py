"""Registers a small model and dies, as if by `kill -9`, before or after a given call of a given function.

Arguments: the run's key, the version that it compared with (0 is none), and where to die, as `killed_run` takes it;
without the latter it lives, and prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from include.config.pipeline import Pipeline
from include.training.fit import fit_model
from tests import factories
from tests.integration.killed_run import die_at
from tests.unit.registry.conftest import Shop


def shop(folder: Path) -> Shop:
    """Return a shop whose model is the same in every process."""
    import yaml

    draw = np.random.default_rng(7)
    example = pd.DataFrame({"visitors": draw.normal(size=50), "store": draw.choice(["north", "south"], 50)})
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["features"] = {"key": ["row"], "label": "revenue"}
    rows = example.assign(revenue=100 + 10 * example["visitors"])
    model = fit_model(Pipeline.model_validate(fields), rows, "linear", {"strength": 1.0}, 1)
    made = Shop("shop", model, example, folder)
    made.sha256 = "0" * 64  # a run writes its challenger once; here each process would write one of its own
    return made


if __name__ == "__main__":
    if len(sys.argv) > 3:
        die_at(sys.argv[3], sys.argv[4], int(sys.argv[5]))
    with TemporaryDirectory() as scratch:
        registered = shop(Path(scratch)).register(sys.argv[1], expected_champion=int(sys.argv[2]) or None)
    print(json.dumps(registered.to_json()))
