"""All that people set, as one document without secrets: its shape (document.py), the rows as its entries (kinds.py), what it
would change (changes.py)."""
