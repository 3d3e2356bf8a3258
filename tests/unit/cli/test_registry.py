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
    """Answer in the place of MLflow, and return what was asked."""
    asked: list[tuple[Any, ...]] = []

    def answer(name: str, result: Any) -> None:
        def called(*args: Any, **kwargs: Any) -> Any:
            asked.append((name, *args, kwargs))
            return result

        monkeypatch.setattr(promotion, name, called)

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
        (("hold", "shop", *BECAUSE), f"shop: the champion was version 2 and is version 2\n{HOLDS}", "hold", (2, 2)),
        (
            ("release", "shop", "--by", "ada"),
            "shop: released the hold of ada since 2024-03-21T08:00:00+00:00\n"
            "shop: the champion was version 2 and is version 2\n",
            "release",
            (2, 2),
        ),
    ],
    ids=["promote", "rollback", "hold", "release"],
)
def test_a_decision_is_printed_and_recorded(
    arguments: tuple[str, ...], printed: str, kind: str, change: tuple[int, int], asked: list[tuple[Any, ...]]
) -> None:
    """Which version was champion and is, what is held, and one record with who and why."""
    result = call(*arguments)

    assert (result.exit_code, result.output) == (0, printed)
    (record,) = chain.read_all("shop")
    assert (record.kind, record.by) == (kind, "ada")
    assert (record.content["champion_before"], record.content["champion_after"]) == change
    assert "late flights were missed" in record.content["reason"]


def test_the_version_and_the_person_are_passed_on(
    asked: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --by it is who is logged in."""
    monkeypatch.setenv("LOGNAME", "bob")

    call("rollback", "shop", "--version", "7", "--reason", "it was better")

    assert asked == [("rollback", "shop", 7, {"reason": "it was better", "by": "bob", "trusted": []})]


def test_a_rollback_asked_for_again_is_one_record(asked: list[tuple[Any, ...]]) -> None:
    """One that was killed after it took effect is recorded by the next try, once."""
    call("rollback", "shop", *BECAUSE)
    call("rollback", "shop", *BECAUSE)

    assert len(chain.read_all("shop")) == 1


def test_a_release_of_nothing_records_nothing(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that there was no hold."""
    monkeypatch.setattr(promotion, "release", lambda *_, **__: (ChampionChange("shop", 2, 2, None), None))

    result = call("release", "shop")

    assert result.output == "shop: there was no hold\nshop: the champion was version 2 and is version 2\n"
    assert chain.read_all("shop") == []


@pytest.mark.parametrize("command", ["promote", "rollback", "hold"])
def test_a_decision_needs_a_reason(command: str, asked: list[tuple[Any, ...]]) -> None:
    """Nothing is asked of MLflow without one."""
    result = call(command, "shop", *(["--version", "2"] if command == "promote" else []))

    assert result.exit_code == 2
    assert "Missing option '--reason'" in result.output
    assert asked == []


def test_a_reason_says_something(asked: list[tuple[Any, ...]]) -> None:
    """An empty one is none: nothing is decided, and nothing is recorded."""
    result = call("hold", "shop", "--reason", " ")

    assert result.exit_code == 2
    assert "it is empty; say in a few words why" in result.output
    assert asked == []
    assert chain.read_all("shop") == []


def test_what_is_refused_is_one_sentence_and_no_record(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion is as it was, and nothing is recorded."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ModelRefused("shop has no version 7 in MLflow; there are 1, 2")

    monkeypatch.setattr(promotion, "promote", refuse)

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
def test_a_pipeline_that_is_none_is_told(arguments: tuple[str, ...], asked: list[tuple[Any, ...]]) -> None:
    """A mistyped name asks nothing of MLflow."""
    result = call(*arguments)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ConfigError: ")
    assert asked == []
