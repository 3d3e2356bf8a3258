"""The steps of a retraining run: each reads what earlier steps left in the run's folder, and adds to it.

Every step follows the plan and writes its files whole or not at all, so that it may be killed anywhere
and run again. What a step returns is for its caller; no later step depends on it.
"""

from include.retraining.steps.approve import approval_request, keep_answer
from include.retraining.steps.compare import evaluate, judge
from include.retraining.steps.learn import train, tune
from include.retraining.steps.prepare import build, prove, select, validate
from include.retraining.steps.record import register, summarize

__all__ = [
    "approval_request",
    "build",
    "evaluate",
    "judge",
    "keep_answer",
    "prove",
    "register",
    "select",
    "summarize",
    "train",
    "tune",
    "validate",
]
