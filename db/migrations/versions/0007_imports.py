"""imports

Revision ID: 0007
Revises: 0006
"""
import sqlalchemy as sa
from alembic import op

from db.columns import UtcDateTime

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Added in place, without the copy of the table that Alembic's batch mode makes on SQLite: there are many battles.
    op.add_column('battle', sa.Column('turn', sa.Integer(), nullable=True))
    op.create_table(
        'kept_vote',
        sa.Column('id', sa.Uuid(), nullable=False),
        sa.Column('experiment_id', sa.Uuid(), nullable=False),
        sa.Column('vote_id', sa.Uuid(), nullable=False),
        sa.Column('voted_at', UtcDateTime(timezone=True), nullable=False),
        sa.Column('columns', sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(['experiment_id'], ['experiment.id'], name=op.f('fk_kept_vote_experiment_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_kept_vote')),
    )
    op.create_index('ix_kept_vote_experiment_id', 'kept_vote', ['experiment_id'])


def downgrade() -> None:
    op.drop_index('ix_kept_vote_experiment_id', table_name='kept_vote')
    op.drop_table('kept_vote')
    op.drop_column('battle', 'turn')
