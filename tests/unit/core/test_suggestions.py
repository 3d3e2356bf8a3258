"""An unknown name is reported with the known ones and the one that was probably meant."""

from __future__ import annotations

import unicodedata

from include.core.suggestions import LISTED, unknown_name

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


def test_the_nearest_known_name_is_suggested() -> None:
    """Without a similar name there is no suggestion."""
    assert unknown_name("column", "pric", ["price", "store"]) == (
        "there is no column 'pric'; did you mean 'price'? (known: 'price', 'store')"
    )
    assert unknown_name("column", "x", []) == "there is no column 'x' (known: none)"


def test_a_long_list_of_known_names_is_cut() -> None:
    """A wide table has thousands of columns."""
    assert unknown_name("column", "?", [f"c{number}" for number in range(LISTED + 7)]).endswith("'c99' and 7 more)")


def test_a_name_that_looks_the_same_is_shown_by_its_code_points() -> None:
    """Nobody sees the difference between two forms of a letter, or a blank at the end."""
    assert "did you mean 'caf\\xe9' rather than 'cafe\\u0301'?" in unknown_name("column", DECOMPOSED, [COMPOSED])
    assert "did you mean 'price' rather than 'price '?" in unknown_name("column", "price ", ["price"])
    assert "did you mean 'price'? (known" in unknown_name("column", "Price", ["price"])
