"""rating

Revision ID: 0003
Revises: 0002
"""
import sqlalchemy as sa
import sqlmodel
from alembic import op

import db.columns

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def enum(name, *values):
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def upgrade() -> None:
    op.create_table('gold',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('experiment_id', sa.Uuid(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('purpose', enum('purpose', 'normal', 'gold', 'repeat', 'practice', 'calibration', 'imported'), nullable=False),
    sa.Column('messages', sa.JSON(), nullable=False),
    sa.Column('left', sa.Text(), nullable=False),
    sa.Column('right', sa.Text(), nullable=False),
    sa.Column('answer', enum('answer', 'left', 'right', 'tie', 'both_bad', 'skip'), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['experiment_id'], ['experiment.id'], name=op.f('fk_gold_experiment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_gold')),
    sa.UniqueConstraint('experiment_id', 'position', name=op.f('uq_gold_experiment_id_position'))
    )
    op.create_table('participation',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('experiment_id', sa.Uuid(), nullable=False),
    sa.Column('account_id', sa.Uuid(), nullable=False),
    sa.Column('panel', sqlmodel.sql.sqltypes.AutoString(length=32), nullable=False),
    sa.Column('external_id', sqlmodel.sql.sqltypes.AutoString(length=200), nullable=False),
    sa.Column('panel_values', sa.JSON(), nullable=False),
    sa.Column('created_at', db.columns.UtcDateTime(timezone=True), nullable=False),
    sa.Column('consented_at', db.columns.UtcDateTime(timezone=True), nullable=True),
    sa.Column('practised_at', db.columns.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ended_at', db.columns.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ended_as', enum('ending', 'done', 'screened_out', 'over_quota'), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_participation_account_id')),
    sa.ForeignKeyConstraint(['experiment_id'], ['experiment.id'], name=op.f('fk_participation_experiment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_participation')),
    sa.UniqueConstraint('experiment_id', 'account_id', name=op.f('uq_participation_experiment_id_account_id'))
    )
    op.create_index('ix_participation_account_id', 'participation', ['account_id'], unique=False)
    op.create_index('uq_participation_panel', 'participation', ['experiment_id', 'panel', 'external_id'], unique=True,
        sqlite_where=sa.text("external_id <> ''"), postgresql_where=sa.text("external_id <> ''"))
    with op.batch_alter_table('experiment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('exploration', sa.Float(), server_default='0.1', nullable=False))
        batch_op.add_column(sa.Column('floor_votes', sa.Integer(), server_default='50', nullable=False))
        batch_op.add_column(sa.Column('votes_per_prompt', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('asks', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('flow', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('shows', sa.JSON(), server_default='{}', nullable=False))
        batch_op.add_column(sa.Column('arena', sa.JSON(), server_default='{}', nullable=False))

    with op.batch_alter_table('arm', schema=None) as batch_op:
        batch_op.add_column(sa.Column('weight', sa.Float(), server_default='1', nullable=False))

    with op.batch_alter_table('battle', schema=None) as batch_op:
        batch_op.add_column(sa.Column('gold_id', sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column('repeat_of', sa.Uuid(), nullable=True))
        batch_op.alter_column('pair_id', existing_type=sa.Uuid(), nullable=True)
        batch_op.create_foreign_key(batch_op.f('fk_battle_gold_id'), 'gold', ['gold_id'], ['id'])
        batch_op.create_foreign_key(batch_op.f('fk_battle_repeat_of'), 'battle', ['repeat_of'], ['id'])

    with op.batch_alter_table('vote', schema=None) as batch_op:
        batch_op.add_column(sa.Column('strength', enum('strength', 'slightly', 'clearly'), nullable=True))
        batch_op.add_column(sa.Column('reasons', sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column('comment', sa.Text(), server_default='', nullable=False))
        batch_op.add_column(sa.Column('skip_reason', enum('skipreason', 'not_my_field', 'wrong_language', 'broken', 'unsafe'), nullable=True))
        batch_op.add_column(sa.Column('guesses', sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('vote', schema=None) as batch_op:
        for name in ('guesses', 'skip_reason', 'comment', 'reasons', 'strength'):
            batch_op.drop_column(name)

    op.execute("DELETE FROM vote WHERE battle_id IN (SELECT id FROM battle WHERE pair_id IS NULL)")
    op.execute("DELETE FROM battle WHERE pair_id IS NULL")
    with op.batch_alter_table('battle', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_battle_repeat_of'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('fk_battle_gold_id'), type_='foreignkey')
        batch_op.alter_column('pair_id', existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column('repeat_of')
        batch_op.drop_column('gold_id')

    with op.batch_alter_table('experiment', schema=None) as batch_op:
        for name in ('arena', 'shows', 'flow', 'asks', 'votes_per_prompt', 'floor_votes', 'exploration'):
            batch_op.drop_column(name)

    with op.batch_alter_table('arm', schema=None) as batch_op:
        batch_op.drop_column('weight')

    op.drop_table('participation')
    op.drop_table('gold')
