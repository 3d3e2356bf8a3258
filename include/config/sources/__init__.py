"""The schema of `sources` in pipeline.yaml: one file a kind of source, and one for what all kinds share.

A kind of source is a module of this folder whose name ends with `_source`. Its section, a class that derives from
`BaseSource`, names the kind and the reader; nothing else lists the kinds.
"""

from __future__ import annotations

import inspect
import pkgutil
from functools import reduce
from importlib import import_module
from operator import or_
from typing import TYPE_CHECKING, Annotated, TypeAlias, get_args

from pydantic import Field

from include.config.sources.allowed_changes import Infinity
from include.config.sources.base import BaseSource, RowsPerDay
from include.config.sources.column_types import READER_COLUMNS, ColumnType, declared_type
from include.config.sources.day_fields import DAY_FIELDS, with_day


def find_kinds() -> dict[str, type[BaseSource]]:
    """Import this folder's modules of kinds and return the kinds' sections by name."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name.endswith("_source")]
    kinds = {}
    for module in [import_module(f"{__name__}.{name}") for name in names]:
        for _, section in inspect.getmembers(module, inspect.isclass):
            if issubclass(section, BaseSource) and section.__module__ == module.__name__:
                [kind] = get_args(section.model_fields["kind"].annotation)
                kinds[kind] = section
    return dict(sorted(kinds.items()))


#: The section of each kind of source, by the kind's name in pipeline.yaml.
SOURCE_KINDS = find_kinds()

if TYPE_CHECKING:  # the union is known only once the folder was read
    Source: TypeAlias = BaseSource
else:
    Source = Annotated[reduce(or_, SOURCE_KINDS.values()), Field(discriminator="kind")]

__all__ = [
    "DAY_FIELDS",
    "READER_COLUMNS",
    "SOURCE_KINDS",
    "BaseSource",
    "ColumnType",
    "Infinity",
    "RowsPerDay",
    "Source",
    "declared_type",
    "with_day",
]
