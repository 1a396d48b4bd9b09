"""The only SQL: tables, API shapes, migrations, and one module of functions a noun. Used by control alone.

Not here: HTTP, and what the data plane does with a rule.
"""
