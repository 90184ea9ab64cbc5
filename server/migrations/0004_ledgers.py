"""Tables: ledgers. Written by tools.migrations; never edited once released."""

from kernel.migrating import together
from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('zhangban', '0003_zones')]

    initial = False

    operations = together([
        ops.CreateModel(
            name='FerryLedger',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('peer', fields.CharField(max_length=16)),
                ('way', fields.CharField(max_length=4)),
                ('day', fields.DateField()),
                ('opened_at', fields.DatetimeField(auto_now=False, auto_now_add=False)),
                ('spans', fields.TextField(default='[]', unique=False)),
                ('reached', fields.TextField(default='{}', unique=False)),
                ('ours', fields.TextField(default='', unique=False)),
                ('theirs', fields.TextField(default='', unique=False)),
                ('their_stamp', fields.BigIntField(default=0)),
                ('told', fields.CharField(default='', max_length=64)),
                ('told_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('state', fields.CharField(default='open', max_length=10)),
                ('differences', fields.TextField(default='[]', unique=False)),
                ('accepted', fields.CharField(default='', max_length=64)),
                ('compared_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('looks', fields.IntField(default=0)),
                ('seal', fields.CharField(default='', max_length=64)),
            ],
            options={'table': 'ferry_ledger', 'app': 'zhangban', 'unique_together': (('peer', 'way', 'day'),), 'indexes': [Index(fields=['state', 'day'], name='idx_ferry_ledger_state')], 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='FerryLedgerPart',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('peer', fields.CharField(max_length=16)),
                ('account', fields.CharField(max_length=5)),
                ('day', fields.DateField()),
                ('stamp', fields.BigIntField()),
                ('part', fields.IntField()),
                ('parts', fields.IntField()),
                ('body', fields.TextField(unique=False)),
            ],
            options={'table': 'ferry_ledger_part', 'app': 'zhangban', 'unique_together': (('peer', 'account', 'day', 'stamp', 'part'),), 'pk_attr': 'id'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='ArrivedAct',
            name='actor',
            field=fields.CharField(default='', db_default='', max_length=64),
        ),
        ops.AddField(
            model_name='ArrivedAct',
            name='log_before',
            field=fields.BigIntField(null=True, description='The newest event of the log when it was first tried: what it caused comes behind.'),
        ),
        ops.AddField(
            model_name='ArrivedAct',
            name='surplus',
            field=fields.BooleanField(default=False, db_default=False),
        ),
        ops.AddField(
            model_name='ArrivedAct',
            name='turn',
            field=fields.BigIntField(default=0, db_default=0),
        ),
        ops.AddIndex(
            model_name='ArrivedAct',
            index=Index(fields=['outcome', 'surplus', 'turn', 'id'], name='idx_arrived_act_turn'),
        ),
        ops.AddIndex(
            model_name='ArrivedAct',
            index=Index(fields=['outcome', 'actor', 'turn'], name='idx_arrived_act_actor'),
        ),
        ops.AddField(
            model_name='FerryInbox',
            name='octets',
            field=fields.BigIntField(default=0, db_default=0),
        ),
        ops.AddField(
            model_name='FerryInbox',
            name='sorts',
            field=fields.TextField(default='', db_default='', unique=False),
        ),
        ops.AddField(
            model_name='FerryParcel',
            name='sorts',
            field=fields.TextField(default='', db_default='', unique=False),
        ),
        ops.AddField(
            model_name='FerryPeer',
            name='status_at',
            field=fields.DatetimeField(null=True, auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='InboundMessage',
            name='via',
            field=fields.CharField(default='', db_default='', max_length=16),
        ),
        ops.AddField(
            model_name='InboundPdu',
            name='read_at',
            field=fields.DatetimeField(null=True, description='A `said_at` of this row, if the carrier has certainly read our answer to what it said then.', auto_now=False, auto_now_add=False),
        ),
        ops.AddIndex(
            model_name='RelayedAct',
            index=Index(fields=['actor', 'answered_at'], name='idx_relayed_act_actor'),
        ),
    ])
