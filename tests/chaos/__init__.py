"""`pointsman chaos`."""
