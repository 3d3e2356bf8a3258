"""The challenger is fitted as it was chosen, and what an older release has chosen can still be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from include.training.challenger import ChallengerSpec, Member, fit_challenger
from include.training.fit import predict

if TYPE_CHECKING:
    from tests.unit.training.conftest import MakeFrame, MakePipeline


def _chosen(**member: Any) -> ChallengerSpec:
    baseline = Member("baseline", 1.0, {}, None, 3.0, **member)
    return ChallengerSpec([baseline], 3.0, "none", None, None, ["noise"], ["baseline alone"])


@pytest.mark.parametrize("rows", [None, 50])
def test_a_family_that_was_tried_on_fewer_rows_is_fitted_on_fewer_rows(
    rows: int | None, make_pipeline: MakePipeline, make_frame: MakeFrame
) -> None:
    """Its process died on all of them while it was searched, and would at the end of the night."""
    pipeline, frame = make_pipeline(candidates=["baseline"]), make_frame()
    drawn = np.random.default_rng(len(frame)).choice(len(frame), rows or len(frame), replace=False)

    model = fit_challenger(pipeline, frame, _chosen(max_rows=rows), frame["label"].to_numpy(), np.empty(0), 1)

    assert predict(model, frame, pipeline.training)[0] == pytest.approx(frame["label"].iloc[drawn].median())


def test_what_an_older_release_chose_is_read() -> None:
    """A version that was registered before can be made again: its members have all rows."""
    chosen = _chosen(max_rows=50)
    fields = json.loads(json.dumps(chosen.to_json()))
    assert ChallengerSpec.from_json(fields) == chosen

    for member in fields["members"]:
        del member["max_rows"]

    assert ChallengerSpec.from_json(fields) == _chosen()
