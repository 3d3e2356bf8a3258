"""Classes that pipeline.yaml names by their import path."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from include.core.errors import ConfigError


def import_named(where: str, path: str, what: str) -> Any:
    """Return the object that an import path names.

    Parameters
    ----------
    where
        The field of pipeline.yaml, for the error.
    what
        What the user must correct if the path cannot be imported.

    Raises
    ------
    ConfigError
        If the path cannot be imported.
    """
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # importing a module runs its code, which may raise anything
        reason = " ".join(str(error).split())
        found = getattr(sys.modules.get(module), "__file__", None) if isinstance(error, AttributeError) else None
        raise ConfigError(
            f"{where}: {path} cannot be imported ({type(error).__name__}: {reason}); correct {what}, or install its "
            "package" + (f"; Python finds {module} at {found}" if found else "")  # it may be a namesake
        ) from error
