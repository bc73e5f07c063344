from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_server.deployment import Deployment
from tests.smtp import MailServer, mail_server
from tests.sync_server.registration.deployments import deployment


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path / "data") as found:
        yield found


@pytest.fixture
def smtp(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path / "smtp") as running:
        yield running
