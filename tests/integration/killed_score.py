"""A day of the shop is scored by a process that dies, as if by `kill -9`, at a given call of a given function."""

from __future__ import annotations

from include.config.loader import load_pipeline
from include.workflows.score.plan import plan_scoring
from include.workflows.score.score import score_rows
from tests.integration.killed_run import AS_OF, die_at

RUN_KEY = "the-scoring"


def score_and_die(path: str, when: str, number: int) -> None:
    """Score a day in this process, which dies at the `number`-th call of a function; 0 lets it live."""
    die_at(path, when, number)
    shop = load_pipeline("shop")
    score_rows(shop, plan_scoring(shop, RUN_KEY, AS_OF))
