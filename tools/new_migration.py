"""`make migration NAME=mail_queue`: a new step with what schema.py has and the steps have not.

Read what it wrote: a step that expands may only add (ARCHITECTURE.md, "A table at the server").
"""

import re
import subprocess
import sys
from pathlib import Path

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from sync_server.storage import (
    migrations,
    schema,  # noqa: F401 - fills metadata
)
from sync_server.storage.metadata import metadata

TEMPLATE = '''"""{words}.

Expand: programs of {before} go on working on it.
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    {body}
'''


def main(name: str) -> int:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        print("NAME: small letters, digits and _", file=sys.stderr)
        return 2
    before = migrations.newest()
    revision = f"{int(before) + 1:04}"
    with create_engine("sqlite://").begin() as conn:
        migrations.upgrade(conn, None)
        context = MigrationContext.configure(
            conn, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True}
        )
        found = produce_migrations(context, metadata).upgrade_ops
    if found is None or found.is_empty():
        print("schema.py has nothing that the steps have not", file=sys.stderr)
        return 1
    lines = str(render_python_code(found)).splitlines()
    body = "\n".join(line for line in lines if not line.lstrip().startswith("# ###")).strip()
    path = migrations.FOLDER / "versions" / f"r{revision}_{name}.py"
    words = name.replace("_", " ").capitalize()
    path.write_text(TEMPLATE.format(words=words, before=before, revision=revision, body=body))
    subprocess.run([Path(sys.executable).with_name("ruff"), "format", "--quiet", path], check=True)
    print(path.relative_to(Path.cwd()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
