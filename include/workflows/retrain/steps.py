"""The steps of a retraining run: each reads what earlier steps left in the run's folder, and adds to it.

Every step follows the plan and writes its files whole or not at all, so that it may be killed anywhere
and run again. What a step returns is for its caller; no later step depends on it.
"""

from include.workflows.retrain.approve import approval_request, keep_answer
from include.workflows.retrain.compare import evaluate, judge
from include.workflows.retrain.learn import train, tune
from include.workflows.retrain.prepare import build, prove, select, validate
from include.workflows.retrain.register import register
from include.workflows.retrain.summarize import summarize

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
