"""A run of the shop that dies, as if by `kill -9`, before or after a given call of a given function."""

from __future__ import annotations

import functools
import importlib
import os
from datetime import date
from typing import Any

from include.config.loader import load_pipeline
from include.core.connections import EnvironmentConnections
from include.workflows.retrain.run import run

RUN_KEY = "the-night"
AS_OF = date(2024, 3, 20)
#: So long that a search ends by its trials, however busy the machine is: both runs of a tie have the same ones.
TUNING_SECONDS = 600


def die_at(path: str, when: str, number: int) -> None:
    """Replace a function by one that ends the process at its `number`-th call."""
    owner_path, _, name = path.rpartition(".")
    try:
        owner: Any = importlib.import_module(owner_path)
    except ModuleNotFoundError:
        module, _, kind = owner_path.rpartition(".")
        owner = getattr(importlib.import_module(module), kind)
    original = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            os._exit(137)
        result = original(*args, **kwargs)
        if calls == number:
            os._exit(137)
        return result

    setattr(owner, name, deadly)


def run_and_die(path: str, when: str, number: int) -> None:
    """Run the shop in this process, which dies at the `number`-th call of a function."""
    die_at(path, when, number)
    run(load_pipeline("shop"), RUN_KEY, AS_OF, EnvironmentConnections())


def call_and_die(death: list[Any], arguments: list[str]) -> None:
    """Run a command line of ours in this process, which dies as `die_at` is asked."""
    from include.cli import main

    die_at(*death)
    main(arguments)
