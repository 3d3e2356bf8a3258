"""The challenger is fitted as specified, and the specification of an older release can still be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.training.challenger import ChallengerSpec, Member, fit_challenger
from include.training.fit import predict
from include.training.threshold import ChosenThreshold

if TYPE_CHECKING:
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def _chosen(**member: Any) -> ChallengerSpec:
    baseline = Member("baseline", 1.0, {}, None, 3.0, **member)
    threshold = ChosenThreshold(value=0.3, precision=0.5, recall=1.0, f1=0.67, cost=None, reason="has the greatest F1")
    return ChallengerSpec([baseline], 3.0, "none", threshold, None, ["noise"], ["baseline alone"])


@pytest.mark.parametrize("rows", [None, 50])
def test_a_family_that_was_tuned_on_fewer_rows_is_fitted_on_fewer_rows(
    rows: int | None, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Its process died on all rows during the search, and would die again in the final fit."""
    pipeline, frame = make_pipeline(candidates=["baseline"]), make_frame()
    drawn = np.random.default_rng(len(frame)).choice(len(frame), rows or len(frame), replace=False)

    model = fit_challenger(pipeline, frame, _chosen(max_rows=rows), frame["label"].to_numpy(), np.empty(0), 1)

    assert predict(model, frame, pipeline.training)[0] == pytest.approx(frame["label"].iloc[drawn].median())


def test_the_specification_of_an_older_release_is_read() -> None:
    """A version that was registered without `max_rows` can be replayed: its members are fitted on all rows."""
    chosen = _chosen(max_rows=50)
    fields = json.loads(json.dumps(chosen.to_json()))
    assert ChallengerSpec.from_json(fields) == chosen

    for member in fields["members"]:
        del member["max_rows"]

    assert ChallengerSpec.from_json(fields) == _chosen()
