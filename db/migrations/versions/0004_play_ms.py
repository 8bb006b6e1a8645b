"""play_ms

Revision ID: 0004
Revises: 0003
"""
import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Added in place, without the copy of the table that Alembic's batch mode makes on SQLite: outputs are the largest
    # table. Outputs of before keep null, and the browser alone holds the lock of their players.
    op.add_column('generation', sa.Column('play_ms', sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column('generation', 'play_ms')
