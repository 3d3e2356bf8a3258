"""Names that people choose: which names look alike, and which cannot be used.

Python distinguishes `Price` from `price`, and an accented letter of one character from one of two. DuckDB and Delta
Lake do not distinguish the first pair, and no person distinguishes the second. So two names that look alike are
treated as a mistake wherever they could meet.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Maximum characters of a pipeline's name, which is a tag of its DAGs: Airflow's tags have at most this many.
MAX_PIPELINE_NAME = 100
#: Maximum characters of a column's name.
MAX_COLUMN_NAME = 255

#: Prefix of the columns with the probability of each class; another champion may know other classes.
PROBABILITY = "probability_"


def folded(name: str) -> str:
    """Return a form that names share if they differ only in case, Unicode form or blanks at their ends."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that look alike, in their order."""
    first: dict[str, str] = {}
    pairs = []
    for name in dict.fromkeys(names):
        other = first.setdefault(folded(name), name)
        if other != name:
            pairs.append((other, name))
    return pairs


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant, or None where no name is similar."""
    by_fold: dict[str, str] = {}
    for each in known:
        by_fold.setdefault(folded(each), each)
    close = difflib.get_close_matches(folded(name), list(by_fold), n=1, cutoff=0.5)
    return by_fold[close[0]] if close else None


def wrong_column_names(names: Iterable[str], reserved: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with the column names of one table, as one clause for each mistake.

    Parameters
    ----------
    reserved
        Column names that Nightshift adds to the table itself.
    """
    listed = list(names)
    wrong = [f"the column name {name!r} {problem}" for name in listed if (problem := _problem(name))]
    taken = {folded(name) for name in reserved}
    wrong += [
        f"the column name '{name}' is reserved for Nightshift; rename it" for name in listed if folded(name) in taken
    ]
    return wrong + [
        f"the columns {_difference(one, two)} only, which SQL and the lake do not distinguish; rename one"
        for one, two in alike(listed)
    ]


def _difference(one: str, two: str) -> str:
    """Say how two names differ that look alike."""
    if one.casefold() != two.casefold():
        return f"{one!a} and {two!a} differ in blanks or Unicode form"
    return f"'{one}' and '{two}' differ in upper and lower case"


def _problem(name: str) -> str | None:
    """Return why a column cannot have a name, or None where it can."""
    if not name.strip():
        return "is empty; give the column a name"
    if len(name) > MAX_COLUMN_NAME:
        return f"has {len(name):,} characters, but at most {MAX_COLUMN_NAME} are possible; shorten it"
    return None


def dag_id(pipeline: str, kind: str) -> str:
    """Return the id of a pipeline's DAG; a folder's name that Airflow cannot take gets a digest to stay unique."""
    usable = re.sub(r"[^A-Za-z0-9_-]", "_", pipeline)[:MAX_PIPELINE_NAME]
    if usable != pipeline:
        usable = f"{usable}-{hashlib.sha256(pipeline.encode(errors='surrogateescape')).hexdigest()[:8]}"
    return f"{usable}.{kind}"
