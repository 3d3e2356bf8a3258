"""Scores a day of the shop and dies, as if by `kill -9`, before or after a given call of a given function.

Arguments: the function's dotted path, `before` or `after`, and the number of the call.
"""

from __future__ import annotations

import sys

from include.config.loader import load_pipeline
from include.workflows.score.plan import plan_scoring
from include.workflows.score.score import score_rows
from tests.integration.killed_run import AS_OF, die_at

RUN_KEY = "the-scoring"


if __name__ == "__main__":
    die_at(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    shop = load_pipeline("shop")
    score_rows(shop, plan_scoring(shop, RUN_KEY, AS_OF))
