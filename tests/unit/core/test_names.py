"""Two names that a system does not distinguish are a mistake, and suggestions ignore case."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest

from include.config.loader import read_pipeline
from include.core.names import alike, nearest, wrong_column_names
from tests.factories import SHOP_YAML, write_shop

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["price", "Price"], [("price", "Price")]),
        (["a", "ID", "b", "id", "Id"], [("ID", "id"), ("ID", "Id")]),
        (["stra\u00dfe", "STRASSE"], [("stra\u00dfe", "STRASSE")]),
        ([ONE, TWO], [(ONE, TWO)]),
        (["price", "price "], [("price", "price ")]),
        (["price", "prices", "price"], []),
    ],
)
def test_names_that_differ_in_case_or_form_only_are_alike(names: list[str], pairs: list[tuple[str, str]]) -> None:
    """Each later name is paired with the first; a repeated name makes no pair."""
    assert alike(names) == pairs


def test_the_nearest_name_is_found_whatever_its_case() -> None:
    """To Python, ID and id have no letter in common."""
    assert nearest("ID", ["identity", "id"]) == "id"
    assert nearest(TWO, ["cafe", ONE]) == ONE
    assert nearest("visitor", ["store", "visitors"]) == "visitors"
    assert nearest("revenue", ["store", "day"]) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("x" * 256, "has 256 characters"),
        ("DS", "is reserved for Nightshift"),
    ],
)
def test_impossible_column_names_are_reported(name: str, problem: str) -> None:
    """One clause names the column and the reason."""
    [clause] = wrong_column_names(["store", name], ["ds"])

    assert problem in clause


@pytest.mark.parametrize(
    "name", ["a b", "a.b", "a'b", "select", "\u00fc", "\U0001f600", "x" * 255, "2024", "on", "a\nb"]
)
def test_unusual_names_are_no_mistake(name: str) -> None:
    """They work wherever they are quoted."""
    assert wrong_column_names(["store", name], ["ds"]) == []


def test_the_sentence_shows_how_two_names_differ() -> None:
    """Two Unicode forms look the same, so the sentence shows their code points."""
    assert wrong_column_names(["price", "Price"]) == [
        "the columns 'price' and 'Price' differ in upper and lower case only, which SQL and the lake do not "
        "distinguish; rename one"
    ]
    [clause] = wrong_column_names([ONE, TWO])
    assert "the columns 'caf\\xe9' and 'cafe\\u0301' differ in blanks or Unicode form only" in clause


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("      visitors: integer", "      visitors: integer\n      Revenue: float", "'revenue' and 'Revenue' differ"),
        ("      visitors: integer", "      Batch: integer", "the column name 'Batch' is reserved for Nightshift"),
        ("      visitors: integer", "      '': integer", "the column name '' is empty"),
        ("    key: [store, day]", "    key: [Store, day]", "does not declare; did you mean 'store'?"),
        ("    key: [store, day]", "    key: [store, store]", "key names the column 'store' twice"),
        ("available_at: closed_at", "available_at: Closed_At", "did you mean 'closed_at'?"),
        ("  key: [store_day]", "  key: [store_day, STORE_DAY]", "'store_day' and 'STORE_DAY' differ in"),
        ("  label: revenue", "  label: prediction_time", "which is when a row is predicted"),
    ],
)  # fmt: skip
def test_mistaken_names_in_pipeline_yaml_are_reported(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    """The loader finds them before anything is ingested."""
    assert old in SHOP_YAML

    _, [problem] = read_pipeline(write_shop(tmp_path, pipeline=SHOP_YAML.replace(old, new)))

    assert sentence in problem
