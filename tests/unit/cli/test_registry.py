"""`promote`, `rollback`, `hold` and `release` on the command line: what they print, and what they record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from include.cli import main
from include.core.errors import ModelRefused
from include.registry import promotion
from include.registry.promotion import ChampionChange, Hold
from include.registry.records import chain

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

HELD = Hold("ada", "late flights were missed", "2024-03-21T08:00:00+00:00")
BECAUSE = ("--reason", "late flights were missed", "--by", "ada")


def call(*arguments: str) -> Result:
    """Run a command of the launcher."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def asked(shop: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Stand in for MLflow, and return the calls."""
    asked: list[tuple[Any, ...]] = []

    def answer(name: str, result: Any) -> None:
        def called(*args: Any, **kwargs: Any) -> Any:
            asked.append((name, *args, kwargs))
            return result

        monkeypatch.setattr(promotion, name, called)

    answer("check_promotable", None)
    answer("promote", ChampionChange("shop", 1, 2, None))
    answer("rollback", ChampionChange("shop", 2, 1, HELD))
    answer("hold", ChampionChange("shop", 2, 2, HELD))
    answer("release", (ChampionChange("shop", 2, 2, None), HELD))
    return asked


HOLDS = (
    "shop: automatic promotion is held by ada since 2024-03-21T08:00:00+00:00: late flights were missed; release it "
    "with ./nightshift release shop\n"
)


@pytest.mark.parametrize(
    ("arguments", "printed", "kind", "change"),
    [
        (
            ("promote", "shop", "--version", "2", *BECAUSE),
            "shop: the champion was version 1 and is version 2\n",
            "promotion",
            (1, 2),
        ),
        (
            ("rollback", "shop", *BECAUSE),
            f"shop: the champion was version 2 and is version 1\n{HOLDS}",
            "rollback",
            (2, 1),
        ),
        (("hold", "shop", *BECAUSE), f"shop: the champion is still version 2\n{HOLDS}", "hold", (2, 2)),
        (
            ("release", "shop", "--by", "ada"),
            "shop: released the hold of ada since 2024-03-21T08:00:00+00:00\nshop: the champion is still version 2\n",
            "release",
            (2, 2),
        ),
    ],
    ids=["promote", "rollback", "hold", "release"],
)
def test_a_decision_is_printed_and_recorded(
    arguments: tuple[str, ...], printed: str, kind: str, change: tuple[int, int], asked: list[tuple[Any, ...]]
) -> None:
    """The output has the champion before and after and the hold; one record has the person and the reason."""
    result = call(*arguments)

    assert (result.exit_code, result.output) == (0, printed)
    (record,) = chain.read_all("shop")
    assert (record.kind, record.by) == (kind, "ada")
    assert (record.content["champion_before"], record.content["champion_after"]) == change
    assert "late flights were missed" in record.content["reason"]


def test_the_version_and_the_person_are_passed_on(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default of --by is the logged-in user."""
    monkeypatch.setenv("LOGNAME", "bob")

    call("rollback", "shop", "--version", "7", "--reason", "it was better")

    assert asked == [("rollback", "shop", 7, {"reason": "it was better", "by": "bob", "trusted": []})]


def test_a_repeated_rollback_is_one_record(asked: list[tuple[Any, ...]]) -> None:
    """A decision that was killed after it took effect is recorded once, by the next try."""
    call("rollback", "shop", *BECAUSE)
    call("rollback", "shop", *BECAUSE)

    assert len(chain.read_all("shop")) == 1


def test_a_release_without_a_hold_records_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output says that no hold was set."""
    monkeypatch.setattr(promotion, "release", lambda *_, **__: (ChampionChange("shop", 2, 2, None), None))

    result = call("release", "shop")

    assert result.output == "shop: there was no hold\nshop: the champion is still version 2\n"
    assert chain.read_all("shop") == []


@pytest.mark.parametrize("command", ["promote", "rollback", "hold"])
def test_a_decision_needs_a_reason(command: str, asked: list[tuple[Any, ...]]) -> None:
    """Without a reason the command does not call MLflow."""
    result = call(command, "shop", *(["--version", "2"] if command == "promote" else []))

    assert result.exit_code == 2
    assert "Missing option '--reason'" in result.output
    assert asked == []


def test_an_empty_reason_is_refused(asked: list[tuple[Any, ...]]) -> None:
    """An empty reason is refused: no decision is made or recorded."""
    result = call("hold", "shop", "--reason", " ")

    assert result.exit_code == 2
    assert "it is empty; give the reason in a few words" in result.output
    assert asked == []
    assert chain.read_all("shop") == []


def test_a_refused_decision_is_one_sentence_without_a_record(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion is unchanged, and no record is written."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ModelRefused("shop has no version 7 in MLflow; there are 1, 2")

    monkeypatch.setattr(promotion, "check_promotable", refuse)

    result = call("promote", "shop", "--version", "7", *BECAUSE)

    assert (result.exit_code, result.output) == (
        1,
        "Error: ModelRefused: shop has no version 7 in MLflow; there are 1, 2\n",
    )
    assert chain.read_all("shop") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("promote", "shpo", "--version", "2", *BECAUSE),
        ("rollback", "shpo", *BECAUSE),
        ("hold", "shpo", *BECAUSE),
        ("release", "shpo"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_an_invalid_pipeline_name_is_refused(arguments: tuple[str, ...], asked: list[tuple[Any, ...]]) -> None:
    """A mistyped name causes no call to MLflow."""
    result = call(*arguments)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ConfigError: ")
    assert asked == []
