"""What is known of providers, as data: rows in catalog.py, header schemes in auth.py. No I/O, no `if` on a name."""
