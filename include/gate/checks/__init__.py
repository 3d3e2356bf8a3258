"""The checks of the gate: every class of this folder's modules that derives from `Check`, in the order of the codes."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

from include.gate.check import Check


def _find_checks() -> list[Check]:
    """Make one check of each class; a class without a code is a base of others."""
    modules = [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    kinds = {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Check) and kind.__module__ == module.__name__ and hasattr(kind, "code")
    }
    return sorted((kind() for kind in kinds), key=lambda check: check.code)


CHECKS = _find_checks()
