"""The running stack is reached from this machine only, and shares its home with no other."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.core.errors import EmbeddedStackError
from include.ops.embedded.stack import running_stack

if TYPE_CHECKING:
    from tests.integration.embedded.running import Airflow

#: This machine's own address as Linux writes it, in its tables of either kind.
LOCAL = ("0100007F:", "00000000000000000000000001000000:", "0000000000000000FFFF00000100007F:")


def sockets_of(sessions: frozenset[int]) -> set[str]:
    """Return the sockets of all processes of some sessions; a process can overwrite its environment, not these."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(process.name)) in sessions:
                links = [str(each.readlink()) for each in (process / "fd").iterdir()]
                found |= {name for link in links for name in re.findall(r"socket:\[(\d+)\]", link)}
        except OSError:
            continue  # it has ended, or is someone else's
    return found


def listening(sessions: frozenset[int]) -> list[str]:
    """Return the addresses on which a stack listens."""
    mine = sockets_of(sessions)
    tables = [Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table]
    return [fields[1] for fields in lines if fields[3] == "0A" and fields[9] in mine]


def test_nothing_listens_to_other_machines(airflow: Airflow) -> None:
    """Each part listens on this machine's own address, and on no other."""
    found = listening(airflow.sessions)

    assert len(found) >= 2  # Airflow's and MLflow's
    assert [address for address in found if not address.startswith(LOCAL)] == []


def test_a_home_has_one_stack(airflow: Airflow) -> None:
    """A second one is refused in words, and the first goes on."""
    with pytest.raises(EmbeddedStackError, match="another stack runs in"), running_stack(airflow.home, {}, print):
        pass

    assert airflow.get("/api/v2/monitor/health").status_code == 200
