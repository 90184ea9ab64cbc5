"""Tables: outstanding. Written by tools.migrations, the rows by hand; never edited once released."""

from kernel.migrating import DropColumn, KeepRoom, together
from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('zhangban', '0004_ledgers')]

    initial = False

    operations = [
        *together([
            ops.CreateModel(
                name='MessageClaim',
                fields=[
                    ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                    ('channel', fields.CharField(max_length=4)),
                    ('carrier', fields.CharField(max_length=20)),
                    ('until', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                    ('messages', fields.TextField(unique=False)),
                ],
                options={'table': 'message_claim', 'app': 'zhangban', 'pk_attr': 'id'},
                bases=['Model'],
            ),
            ops.CreateModel(
                name='Outstanding',
                fields=[
                    ('id', fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                    ('state', fields.CharField(max_length=10)),
                    ('channel', fields.CharField(max_length=4)),
                    ('priority', fields.SmallIntField()),
                    ('send_after', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ],
                options={'table': 'outstanding', 'app': 'zhangban', 'indexes': [Index(fields=['state', 'channel', 'priority', 'send_after', 'id'], name='idx_outstanding_due')], 'pk_attr': 'id'},
                bases=['Model'],
            ),
        ]),
        ops.RunSQL([
            "INSERT INTO message_claim (channel, carrier, until, messages)"
            " SELECT channel, carrier, COALESCE(claimed_until, created_at), '[' || id || ']' FROM message WHERE state = 'sending'",
            "INSERT INTO outstanding (id, state, channel, priority, send_after)"
            " SELECT id, state, channel, priority, send_after FROM message"
            " WHERE state NOT IN ('sending', 'delivered', 'merged') AND (state <> 'submitted' OR channel <> 'mail')",
            "UPDATE message SET state = 'queued', attempts = attempts - 1 WHERE state = 'sending'",
        ]),
        *together([ops.RemoveIndex(model_name='Message', name='idx_message_due', fields=None)]),
        DropColumn(model_name='Message', name='claimed_until'),
        KeepRoom('message', percent=50),
    ]
