"""Classes that pipeline.yaml names by their import path."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from include.core.errors import ConfigError


def import_named(where: str, path: str, what: str) -> Any:
    """Return what an import path names.

    Parameters
    ----------
    where
        The field of pipeline.yaml, for the sentence.
    what
        What is to be corrected where it cannot be imported.

    Raises
    ------
    ConfigError
        If it cannot be imported.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # importing a module runs it, and it may raise whatever it likes
        reason = " ".join(str(error).split())
        found = getattr(sys.modules.get(module), "__file__", None) if isinstance(error, AttributeError) else None
        raise ConfigError(
            f"{where}: {path} cannot be imported ({type(error).__name__}: {reason}); correct {what}, or install its "
            "package" + (f"; Python finds {module} at {found}" if found else "")  # it may have the name of another one
        ) from error
