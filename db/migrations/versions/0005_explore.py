"""explore

Revision ID: 0005
Revises: 0004
"""
import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

INDEXES = (
    ('ix_battle_gold', 'battle', 'gold_id', 'gold_id IS NOT NULL'),
    ('ix_vote_comment', 'vote', 'battle_id', "comment <> ''"),
    ('ix_vote_reasons', 'vote', 'battle_id', 'reasons IS NOT NULL'),
)


def upgrade() -> None:
    for name, table, column, where in INDEXES:
        op.create_index(name, table, [column], unique=False, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table_name=table)
