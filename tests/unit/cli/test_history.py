"""`history` and `verify` on the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from include.cli import main
from include.registry.records import chain

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from include.registry.records.record import Record

NOW = datetime(2024, 3, 20, 23, 51, tzinfo=UTC)


def call(*arguments: str) -> Result:
    """Run a command of the launcher."""
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def records(shop: Path) -> list[Record]:
    """Record three nightly runs of the shop."""
    return [
        chain.append("shop", "retrain", f"night-{day}", by="ada", content={"as_of": f"2024-03-{day}"}, now=NOW)
        for day in (20, 21, 22)
    ]


def test_the_history_is_a_table_of_all_or_the_last_records(records: list[Record]) -> None:
    """`--last` leaves out older records."""
    every, last = call("history", "shop"), call("history", "shop", "--last", "2")

    assert every.exit_code == last.exit_code == 0
    assert [line.split()[0] for line in every.output.splitlines()[1::2]] == ["1", "2", "3"]
    assert [line.split()[0] for line in last.output.splitlines()[1::2]] == ["2", "3"]
    assert "2024-03-22" in last.output


def test_the_history_as_json_has_the_documents_and_their_digests(records: list[Record]) -> None:
    """The JSON output has the contents of the record files."""
    result = call("history", "shop", "--json", "--last", "1")

    [document] = json.loads(result.stdout)
    assert document == records[-1].document() | {"digest": records[-1].digest}


def test_a_pipeline_without_records_says_so(shop: Path) -> None:
    """Before the first run there is no record and no problem."""
    assert call("history", "shop").output == "shop: nothing is recorded yet\n"
    assert call("history", "shop", "--json").output == "[]\n"
    assert call("verify", "shop").output == "ok: 0 records of shop\n"


@pytest.mark.parametrize("command", ["history", "verify"])
def test_a_misspelt_pipeline_gets_a_suggestion(records: list[Record], command: str) -> None:
    """A name without records and without a folder is a mistake."""
    result = call(command, "shopp")

    assert result.exit_code == 1
    assert "did you mean 'shop'" in result.output


@pytest.mark.parametrize("command", ["history", "verify"])
def test_the_records_of_a_removed_pipeline_are_shown(records: list[Record], shop: Path, command: str) -> None:
    """Records stay readable if the pipeline's folder is gone or has mistakes."""
    (shop / "pipeline.yaml").unlink()

    assert call(command, "shop").exit_code == 0


def test_an_intact_chain_is_ok_and_its_last_digest_is_printed(records: list[Record]) -> None:
    """The digest, stored elsewhere, verifies the chain up to this record at any time."""
    result = call("verify", "shop")

    assert result.output == f"ok: 3 records of shop, the last has the digest {records[-1].digest}\n"
    assert call("verify", "shop", "--head", records[0].digest).exit_code == 0


def test_problems_are_printed_and_the_exit_status_is_not_0(records: list[Record], home: Path) -> None:
    """Each problem is a line; a record that cannot be read does not hide the others."""
    folder = home / "lake" / "shop" / "records"
    (folder / "00000001.json").write_text("{")
    (folder / "00000002.json").write_bytes((folder / "00000002.json").read_bytes().replace(b"ada", b"eve"))

    result = call("verify", "shop", "--head", records[-1].digest)

    assert result.exit_code == 1
    assert "00000001.json is not a record" in result.stdout
    assert "shop: record 2 was changed" in result.stdout
    assert "shop: record 3 does not follow record 2" in result.stdout
    assert "4 problems found" in result.stderr
    assert isinstance(result.exception, SystemExit)  # and not the error itself, which would be a traceback


def test_a_missing_digest_is_a_problem(records: list[Record], home: Path) -> None:
    """A digest from a run's log reveals deleted records."""
    (home / "lake" / "shop" / "records" / "00000003.json").unlink()

    result = call("verify", "shop", "--head", records[-1].digest)

    assert result.exit_code == 1
    assert f"no record has the digest {records[-1].digest}" in result.stdout
    assert "1 problem found" in result.stderr


def test_the_models_are_verified_too(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the models gets the pipeline and its records, and its problems count."""
    asked = []

    def proof(pipeline: str, given: list[Record]) -> list[str]:
        asked.append((pipeline, given))
        return ["record 3: the model of version 1 is another one"]

    monkeypatch.setattr("include.registry.verification.verify_models", proof)
    monkeypatch.setattr("include.registry.champion.find_champion", lambda _: None)

    result = call("verify", "shop")

    assert asked == [("shop", records)]
    assert result.exit_code == 1
    assert result.stdout == "record 3: the model of version 1 is another one\n"
    assert call("verify", "shop", "--no-models").exit_code == 0


@pytest.mark.parametrize("command", ["history", "verify"])
def test_both_commands_say_what_they_do(command: str) -> None:
    """Each has help."""
    assert len(call(command, "--help").output.splitlines()) > 3
