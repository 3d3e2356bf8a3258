"""The page of the records: what it shows is what is printed, and its proof without Nightshift is one."""

from __future__ import annotations

import re
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from include.cli import main
from include.core import settings
from include.registry.records import chain

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (settings.root() / "docs" / "how-to" / "read-the-record.md").read_text(encoding="utf-8")


#: The nights of the page: as-of day of March, verdict, version, champion before and after, mae, approver; and why.
NIGHTS: list[tuple[Any, ...]] = [
    (20, "promote", 1, None, 1, (11.8203, 10.9417, 12.7744), None),
    (21, "keep", 2, 1, 1, (11.7951, 10.9020, 12.7518), None),
    (22, "promote", 3, 1, 3, (11.2034, 10.4101, 12.0377), "ada"),
]
REASONS = [
    "promote: mae 11.8203 is better than the baseline (prior) by 24.1190 (95% interval +21.0472 to +27.3308)",
    "keep (the champion stays version 1): GATE005 better than the champion (version 1) by 0.0252 mae; the 95% interval "
    "-0.1120 to +0.1604 is not all above 0",
    "promote: mae 11.2034 is better than the champion (version 1) by 0.6169 (95% interval +0.2210 to +1.0034)",
]


@pytest.fixture
def folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Record what the page shows, whose models no run has registered, and return where it is."""
    monkeypatch.setattr("include.registry.verification.verify_models", lambda *_: [])
    monkeypatch.setattr("include.registry.champion.find_champion", lambda _: None)
    for (day, verdict, version, before, after, mae, approver), reason in zip(NIGHTS, REASONS, strict=True):
        content = {
            "as_of": f"2024-03-{day}",
            "verdict": verdict,
            "challenger_version": version,
            "champion_before": before,
            "champion_after": after,
            "metric": {"name": "mae"} | dict(zip(("value", "low", "high"), mae, strict=True)),
            "approver": approver,
            "reason": reason,
        }
        key, now = f"scheduled__2024-03-{day + 1}", datetime(2024, 3, day + 1, 0, 31, tzinfo=UTC)
        chain.append("shop", "retrain", key, by="shop.retrain", content=content, now=now)
    back = {
        "champion_before": 3,
        "champion_after": 1,
        "reason": "the tills of two stores were double counted on 2024-03-21",
    }
    now = datetime(2024, 3, 23, 9, 12, tzinfo=UTC)
    chain.append("shop", "rollback", "rollback-1", by="ada", content=back, now=now)
    return home / "lake" / "shop" / "records"


def printed(*arguments: str) -> str:
    """Return what a command prints, its line ends as spaces."""
    return " ".join(CliRunner().invoke(main, arguments).stdout.split())


def test_the_page_shows_what_is_printed(folder: Path) -> None:
    """The history, a whole chain with its digest, and a changed one; its --head is that digest."""
    shown = " ".join(PAGE.split())
    assert CliRunner().invoke(main, ["history", "shop"]).stdout in PAGE
    assert printed("verify", "shop") in shown
    [known] = re.findall(r"--head ([0-9a-f]{64})$", PAGE, re.MULTILINE)
    assert CliRunner().invoke(main, ["verify", "shop", "--head", known]).exit_code == 0

    last = folder / "00000004.json"
    last.write_bytes(last.read_bytes().replace(b'"by":"ada"', b'"by":"eve"'))

    assert printed("verify", "shop") in shown


def by_hand(folder: Path) -> list[str]:
    """Return what the shell of the page prints in the folder of the records."""
    [script] = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    done = subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_proof_without_nightshift_ends_with_the_same_digest(folder: Path) -> None:
    """Two programs that know nothing of Nightshift come to what `verify` prints."""
    tricky = {"text": ',"previous":null,"recorded_at":"","sha256":"00"}\n{"é"', "z": {"previous": None, "sha256": "0"}}
    chain.append("shop", "hold", "tricky", by="ada", content=tricky, now=datetime(2024, 3, 24, tzinfo=UTC))
    last = chain.head("shop")
    assert last is not None

    assert by_hand(folder) == [f"the last has the digest {last.digest}"]


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("change", [(b'"by":"', b'"by":"x'), (b'"previous":', b'"previous": '), (b"}", b"} ")])
def test_the_proof_without_nightshift_finds_a_change(folder: Path, number: int, change: tuple[bytes, bytes]) -> None:
    """A changed file is named first, wherever it is in the chain."""
    path = folder / f"{number:08d}.json"
    path.write_bytes(path.read_bytes().replace(*change))

    assert by_hand(folder)[0] == f"{path.name} is not as it was written"


def test_the_proof_without_nightshift_finds_a_gap(folder: Path) -> None:
    """What follows a deleted record does not follow what is before it."""
    (folder / "00000002.json").unlink()

    assert by_hand(folder)[:-1] == ["00000003.json is not as it was written"]
