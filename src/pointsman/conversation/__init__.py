"""The neutral values that dialects share, without any vendor's field names. Today: usage. Pure values, no I/O."""
