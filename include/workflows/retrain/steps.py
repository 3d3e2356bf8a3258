"""The steps of a retraining run. Each reads the files that earlier steps left in the run's folder, and adds its own.

Every step follows the plan and writes its files whole or not at all, so it may be killed anywhere and run again. A
step returns JSON types for its caller, such as Airflow; no later step depends on them.
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
