"""Writes docs/explanation/gate-proof.md: `python -m tests.mutation [number of worlds]`."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from include.core import settings
from tests.mutation.suite import GOAL_FALSE_KEEP, judge_all, page

WORLDS = 5


def main(worlds: int) -> int:
    """Return 1 where the goal is missed."""
    with TemporaryDirectory(prefix="gate-proof-") as folder:
        told = judge_all(range(worlds), Path(folder))
    path = settings.root() / "docs" / "explanation" / "gate-proof.md"
    path.write_text(page(told, worlds), encoding="utf-8")
    escaped = [each for each in told if each.bad and each.verdict == "promote"]
    kept = [each for each in told if not each.bad and each.verdict != "promote"]
    bad, good = sum(each.bad for each in told), sum(not each.bad for each in told)
    print(f"caught {bad - len(escaped)} of {bad} bad challengers, kept out {len(kept)} of {good} good ones")
    for each in [*escaped, *kept]:
        print(f"  {each.name}: {each.reason}")
    return int(bool(escaped) or len(kept) >= GOAL_FALSE_KEEP * good)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS))
