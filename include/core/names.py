"""Names that people give and several systems must tell apart: which are alike, and which cannot be used.

Python tells `Price` from `price`, and an accented letter of one character from one of two. DuckDB and Delta Lake do
not tell the first apart, and no person the second, so names that are alike are mistakes wherever both could meet.
"""

from __future__ import annotations

import difflib
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Characters of the longest pipeline's name: it is a tag of each of its DAGs, and Airflow's tags are no longer.
MAX_PIPELINE_NAME = 100
#: Characters of the longest column's name.
MAX_COLUMN_NAME = 255

#: How the columns begin that have the probability of each class; a class may be new, or gone, with another champion.
PROBABILITY = "probability_"


def folded(name: str) -> str:
    """Return what names have in common that differ in case, Unicode form or blanks at their ends alone."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


def alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that are alike, in their order."""
    first: dict[str, str] = {}
    pairs = []
    for name in dict.fromkeys(names):
        other = first.setdefault(folded(name), name)
        if other != name:
            pairs.append((other, name))
    return pairs


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant: one that is alike, else one that is written alike."""
    by_fold: dict[str, str] = {}
    for each in known:
        by_fold.setdefault(folded(each), each)
    close = difflib.get_close_matches(folded(name), list(by_fold), n=1, cutoff=0.5)
    return by_fold[close[0]] if close else None


def wrong_column_names(names: Iterable[str], reserved: Iterable[str] = ()) -> list[str]:
    """Return what is wrong with the names of columns that stand beside each other, a clause each.

    Parameters
    ----------
    reserved
        Names of columns that stand beside them too.
    """
    listed = list(names)
    wrong = [f"the column name {name!r} {problem}" for name in listed if (problem := _problem(name))]
    taken = {folded(name) for name in reserved}
    wrong += [
        f"the column name '{name}' is kept for Nightshift's own; rename it" for name in listed if folded(name) in taken
    ]
    return wrong + [
        f"the columns {_differing(one, two)} alone, which SQL and the lake do not tell apart; rename one"
        for one, two in alike(listed)
    ]


def _differing(one: str, two: str) -> str:
    """Say in what two names differ that are alike, and show it."""
    if one.casefold() != two.casefold():
        return f"{one!a} and {two!a} differ in blanks or Unicode form"
    return f"'{one}' and '{two}' differ in upper and lower case"


def _problem(name: str) -> str | None:
    """Return why a column cannot have a name, None where it can."""
    if not name.strip():
        return "is empty; give the column a name"
    if len(name) > MAX_COLUMN_NAME:
        return f"has {len(name):,} characters, and at most {MAX_COLUMN_NAME} are possible; shorten it"
    return None
