"""A person's answer before a promotion."""

from __future__ import annotations

from datetime import UTC, datetime

from include.gate.answer import Answer


def test_whoever_rejects_is_no_approver() -> None:
    """The history said `approved by ada: not promoted: rejected by ada` of a version that ada had rejected."""
    at = datetime(2024, 3, 20, tzinfo=UTC)

    assert Answer(False, "ada", "", at).approver is None
    assert Answer(True, "ada", "", at).approver == "ada"
    assert Answer(True, None, "", at).approver is None
