"""The page of approvals shows sections that load."""

from __future__ import annotations

import re

import yaml

from include.config.gate import Approval
from include.config.pipeline import Pipeline
from include.core import settings
from tests import factories

PAGE = settings.root() / "docs" / "how-to" / "approve-promotions.md"


def _pipeline(approval: object) -> Pipeline:
    return Pipeline.model_validate(yaml.safe_load(factories.SHOP_YAML) | {"approval": approval})


def test_the_sections_of_the_page_load() -> None:
    """Each YAML block is what a pipeline.yaml takes, with what the page says of it."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    rule = _pipeline(yaml.safe_load(block)["approval"]).needs_approval

    assert rule == Approval(hours=8, unanswered="keep", approvers=["ada", "grace"])


def test_the_word_alone_is_the_usual_rule() -> None:
    """`approval: required` waits half a day, and no answer keeps the champion."""
    assert _pipeline("required").needs_approval == Approval(hours=12, unanswered="keep", approvers=[])
    assert _pipeline(None).needs_approval is None
