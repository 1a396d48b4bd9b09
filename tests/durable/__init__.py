"""Crashes, signals and databases in trouble, with real processes: what is promised (R8 to R12) and how it is shown."""
