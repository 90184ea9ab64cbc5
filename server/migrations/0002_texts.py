"""Tables: texts. Written by tools.migrations; never edited once released."""

from kernel.migrating import together
from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('zhangban', '0001_initial')]

    initial = False

    operations = together([
        ops.CreateModel(
            name='CarrierRow',
            fields=[
                ('name', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=20)),
                ('kind', fields.CharField(max_length=12)),
                ('wanted', fields.CharField(default='running', max_length=8)),
                ('weight', fields.SmallIntField(default=10, description='Its configured share, and what its health has made of it.')),
                ('effective_weight', fields.FloatField(default=0)),
                ('condition', fields.TextField(default='{}', unique=False)),
                ('seen_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('down_since', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                ('alarmed_at', fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={'table': 'carrier', 'app': 'zhangban', 'pk_attr': 'name'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='Message',
            name='extension',
            field=fields.CharField(default='', description='Digits behind the access number, by which an answer is known.', max_length=10),
        ),
        ops.AddField(
            model_name='Message',
            name='masked_at',
            field=fields.DatetimeField(null=True, description='When its words were struck out, because nobody needs them any more.', auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Message',
            name='replaced_at',
            field=fields.DatetimeField(null=True, description='When something was sent in its place, or nothing could be.', auto_now=False, auto_now_add=False),
        ),
        ops.AddField(
            model_name='Message',
            name='stands_for',
            field=fields.BigIntField(null=True, description='The message in whose place this one goes: by another number, another channel, to somebody else.'),
        ),
    ])
