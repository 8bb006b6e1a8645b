"""guesses

Revision ID: 0006
Revises: 0005
"""
import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

WHERE = sa.text('guesses IS NOT NULL')


def upgrade() -> None:
    op.create_index(
        'ix_vote_guesses', 'vote', ['battle_id'], unique=False, sqlite_where=WHERE, postgresql_where=WHERE
    )


def downgrade() -> None:
    op.drop_index('ix_vote_guesses', table_name='vote')
