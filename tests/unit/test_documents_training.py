"""The page on candidates says what is so: its blocks are valid, and its families are all that there are."""

from __future__ import annotations

import re
from typing import Any, get_args

import numpy as np
import pytest
import yaml

from include import settings
from include.config import Pipeline
from include.training.candidates import candidates_of
from include.training.candidates.simple import MAX_QUANTILE_ROWS
from include.training.check import check_candidates
from include.training.fit import fit_model, predict
from include.training_config import BuiltIn, Family
from tests import factories
from tests.unit.training.conftest import untidy_frame

PAGE = (settings.root() / "docs" / "how-to" / "choose-candidates.md").read_text(encoding="utf-8")
BLOCKS: list[dict[str, Any]] = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def _pipeline(block: dict[str, Any]) -> Pipeline:
    fields = yaml.safe_load(factories.SHOP_YAML)
    fields["training"] = {"window_days": 100} | block["training"]
    fields["features"] = {"key": ["row"], "label": "label"}
    return Pipeline.model_validate(fields)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: "-".join(block["training"]))
def test_every_block_can_be_fitted(block: dict[str, Any]) -> None:
    """Each block, in the shop's pipeline, gives candidates that are built, fitted with their defaults and predict."""
    pipeline = _pipeline(block)
    frame = untidy_frame(pipeline.training.task, days=20).assign(patient="one")

    check_candidates(pipeline)
    for family, candidate in candidates_of(pipeline.training).items():
        params = candidate.defaults | ({candidate.rounds: 5} if candidate.rounds else {})
        model = fit_model(pipeline, frame, family, params, 1)
        assert np.isfinite(predict(model, frame, pipeline.training)).all()


def test_every_family_is_in_the_table() -> None:
    """The table names each family, in the order of the schema, and says which are extras."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)$", PAGE, re.MULTILINE)

    assert [family for family, _ in rows] == list(get_args(Family))
    assert [family for family, told in rows if "an extra" not in told] == list(get_args(BuiltIn))


def test_the_default_is_what_the_page_says() -> None:
    """The first block names the families that a pipeline has which names none."""
    named = _pipeline(BLOCKS[0]).training.candidates
    default = _pipeline({"training": {"task": "regression", "metric": "mae"}}).training.candidates

    assert named == default


def test_the_draw_of_a_line_is_what_the_page_says() -> None:
    """The number of rows that the page names is the one in the code."""
    assert f"a draw of {MAX_QUANTILE_ROWS:,} rows" in PAGE
