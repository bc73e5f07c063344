"""P7: an agent killed in the middle of its first fetch goes on where the last whole page ended."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.storage.replica import Replica
from tests.edge_agent.storage import lines
from tests.edge_agent.storage.test_replica import base

ROOT = Path(__file__).parents[3]
KILLED_IN_A_PAGE = """
import os, signal, sys
from pathlib import Path
from edge_agent.storage import replica_rows
from edge_agent.storage.replica import Replica
from tests.edge_agent.storage import lines
from tests.edge_agent.storage.test_replica import base

replica = Replica.open(Path(sys.argv[1]))
pages = [base()[:2], base()[2:4], base()[4:]]
whole = int(sys.argv[2])
for number, rows in enumerate(pages[:whole]):
    replica.apply_page(rows, lines.page(rows[-1].revision, more=True))
finish = replica._upsert
def killed(*arguments):
    finish(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)  # rows are written, the cursor and the commit are not
replica._upsert = killed
rows = pages[whole]
replica.apply_page(rows, lines.page(rows[-1].revision, more=whole < 2))
"""


@pytest.mark.parametrize("whole", [0, 1, 2])
def test_p7_a_first_fetch_goes_on_after_a_kill(tmp_path, whole):
    path = tmp_path / "replica.db"
    done = subprocess.run(
        [sys.executable, "-c", KILLED_IN_A_PAGE, str(path), str(whole)], cwd=ROOT, check=False
    )
    assert done.returncode == -signal.SIGKILL
    reached = (None, "g1.2", "g1.4")[whole]
    replica = Replica.open(path)
    assert (replica.live_cursor(), replica.cursor()) == (None, reached)
    rest = base()[whole * 2 :]
    applied = replica.apply_page(rest, lines.page(5, digest=lines.digest_sum(base())))
    assert (applied.digest_ok, applied.went_live) == (True, True)
    assert replica.live_cursor() == "g1.5"
    replica.close()
