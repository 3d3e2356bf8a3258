"""A reference has the sketches of the training rows and of the predictions, by windows of days."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from include.evaluation.reference import day_numbers, make_reference, prediction_columns

LIMIT = 0.25


def test_a_partial_window_does_not_count_for_the_reference_variability() -> None:
    """The oldest days do not fill a week, and each day has only one weekday."""
    days = np.repeat(np.arange(15), 300)
    weekday = pd.DataFrame({"weekday": days % 7})

    made = make_reference(weekday, weekday, (days, days), window_days=7, min_rows=200)

    assert made.features["weekday"].usual_shift < LIMIT / 10
    assert made.features["weekday"].rows == 15 * 300
    short = make_reference(weekday, weekday, (days % 3, days), window_days=7, min_rows=200)
    assert short.features["weekday"].usual_shift == 0


def test_a_reference_has_the_training_rows_and_the_predictions() -> None:
    """Windows are counted back from the newest day; of several classes each probability is sketched."""
    days = pd.Series(pd.date_range("2024-01-01", periods=20, freq="D").repeat(10))
    predicted = prediction_columns(np.full((200, 2), 0.5), ["late", 3])

    made = make_reference(
        pd.DataFrame({"visitors": np.arange(200.0)}),
        predicted,
        (day_numbers(days), day_numbers(days)),
        window_days=7,
        min_rows=50,
        classes=["late", 3],
    )

    assert list(made.predictions) == ["probability_late", "probability_3"]
    assert made.features["visitors"].usual_shift > 1  # it only grows
    assert day_numbers(days)[0] == date(2024, 1, 1).toordinal() - date(1970, 1, 1).toordinal()
    assert list(prediction_columns(np.zeros(3), None)) == ["prediction"]
