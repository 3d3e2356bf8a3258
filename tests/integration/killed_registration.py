"""A small model is registered by a process that may die, as if by `kill -9`, at a given call of a given function."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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


def register(run_key: str, expected_champion: int | None, *death: Any) -> None:
    """Register as a run that compared with a version; die as `die_at` takes it, or print the registration as JSON."""
    if death:
        die_at(*death)
    with TemporaryDirectory() as scratch:
        registered = shop(Path(scratch)).register(run_key, expected_champion=expected_champion)
    print(json.dumps(asdict(registered)))
