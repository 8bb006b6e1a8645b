"""withdrawn

Revision ID: 0008
Revises: 0007
"""
import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


BEFORE = ('waiting', 'asking', 'ok', 'flagged', 'dropped', 'empty', 'truncated', 'refused', 'failed')
AFTER = (*BEFORE[:5], 'withdrawn', *BEFORE[5:])
# What the arena wrote beside a dropped answer. Until now an error on any other told that an admin had withdrawn it.
LEAK = "The answer names its maker, and this model's leak choice doesn't show such answers."


def allow_status(before, after) -> None:
    # SQLite makes the table anew, without the old check; PostgreSQL changes it in place.
    with op.batch_alter_table('generation', schema=None) as batch_op:
        if batch_op.get_context().dialect.name != 'sqlite':
            name = 'ck_generation_generationstatus'
            batch_op.drop_constraint(batch_op.f(name), type_='check')
            batch_op.create_check_constraint(batch_op.f(name), sa.column('status').in_(after))
            return
        kinds = [
            sa.Enum(*values, name='generationstatus', native_enum=False, create_constraint=True, length=16)
            for values in (before, after)
        ]
        batch_op.alter_column('status', existing_type=kinds[0], type_=kinds[1], existing_nullable=False)


def upgrade() -> None:
    op.add_column('experiment', sa.Column('n_put_back', sa.Integer(), server_default='0', nullable=False))
    allow_status(BEFORE, AFTER)
    op.execute(
        sa.text(
            "UPDATE generation SET status = 'withdrawn' WHERE status = 'dropped' AND error <> '' AND error <> :leak"
        ).bindparams(leak=LEAK)
    )


def downgrade() -> None:
    op.execute(sa.text("UPDATE generation SET status = 'dropped' WHERE status = 'withdrawn'"))
    allow_status(AFTER, BEFORE)
    op.drop_column('experiment', 'n_put_back')
