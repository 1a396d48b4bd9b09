"""Which targets a model name means: pattern.py matches, table.py orders and resolves. Pure; no I/O, no clock."""
