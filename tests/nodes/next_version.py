"""A Pointsman one version later: this source once more in a folder, with another number and one migration more, which adds.

Not here: how nodes come to run it (rolling.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pointsman
from pointsman.admin.store.backing import HEAD, VERSIONS

VERSION = "9.8.7"
REVISION = "9998"
_MIGRATION = f'''"""Of a rehearsal: columns and a table that the version before does not know."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("backend_mappings", sa.Column("weight", sa.Integer(), nullable=False, server_default="7"))
    op.add_column("client_keys", sa.Column("colour", sa.String(), nullable=False, server_default="red"))
    op.execute("CREATE TABLE of_later (x text)")
'''


def next_version(folder: Path) -> Path:
    """Made in a new folder. Returns what goes before all else on a gateway's PYTHONPATH."""
    source = Path(pointsman.__file__).parent
    made = folder / source.name
    shutil.copytree(source, made)
    first = made / "__init__.py"
    text = first.read_text(encoding="utf-8")
    assert f'"{pointsman.__version__}"' in text
    first.write_text(text.replace(f'"{pointsman.__version__}"', f'"{VERSION}"'), encoding="utf-8")
    migration = made / VERSIONS.relative_to(source) / f"{REVISION}_of_a_rehearsal.py"
    migration.write_text(_MIGRATION, encoding="utf-8")
    return folder
