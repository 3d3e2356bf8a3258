"""A line in a log names a page's address where Airflow shows the page."""

from __future__ import annotations

import pytest

from include.core.airflow_pages import VALIDATIONS, page_address


@pytest.mark.parametrize("base", ["https://airflow.example/team", "https://airflow.example/team/"])
def test_an_address_keeps_the_prefix_of_airflow(monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    """A proxy may serve Airflow below a path, and a base address may end with a slash."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)

    address = page_address(VALIDATIONS, "shop", "sales", "run+1")

    assert address == "https://airflow.example/team/nightshift/validations/shop/sales/run%2B1"


def test_without_airflow_there_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line shows the path of the file instead."""
    monkeypatch.delenv("AIRFLOW__API__BASE_URL", raising=False)

    assert page_address(VALIDATIONS, "shop") is None
