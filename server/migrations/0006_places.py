"""Tables: places. Written by tools.migrations, the rows by hand; never edited once released."""

from kernel.migrating import DropColumn, together
from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('zhangban', '0005_outstanding')]

    initial = False

    operations = [
        *together([
            ops.CreateModel(
                name='FerryPlace',
                fields=[
                    ('id', fields.BigIntField(generated=False, primary_key=True, unique=True, db_index=True)),
                    ('peer', fields.CharField(max_length=16)),
                    ('lane', fields.CharField(max_length=12)),
                    ('parcel', fields.BigIntField(null=True)),
                ],
                options={'table': 'ferry_place', 'app': 'zhangban', 'indexes': [Index(fields=['peer', 'lane', 'parcel', 'id'], name='idx_ferry_place_due')], 'pk_attr': 'id'},
                bases=['Model'],
            ),
        ]),
        ops.RunSQL([
            # Of a parcel that is gone nothing is sent any more.
            "INSERT INTO ferry_place (id, peer, lane, parcel)"
            " SELECT r.id, r.peer, r.lane, CASE WHEN r.epoch = '' THEN NULL ELSE COALESCE(p.id, 0) END FROM ferry_record r"
            " LEFT JOIN ferry_parcel p ON p.peer = r.peer AND p.lane = r.lane AND p.epoch = r.epoch AND p.seq = r.seq",
        ]),
        *together([ops.RemoveIndex(model_name='FerryRecord', name='idx_ferry_record_due', fields=None)]),
        DropColumn(model_name='FerryRecord', name='lane'),
        DropColumn(model_name='FerryRecord', name='epoch'),
        DropColumn(model_name='FerryRecord', name='seq'),
    ]
