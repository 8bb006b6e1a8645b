"""The only SQL: engine, tables, one query file per aggregate, migrations."""
