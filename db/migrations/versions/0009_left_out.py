"""left out

Revision ID: 0009
Revises: 0008
"""
import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('experiment', sa.Column('left_out', sa.JSON(), server_default='[]', nullable=False))


def downgrade() -> None:
    op.drop_column('experiment', 'left_out')
