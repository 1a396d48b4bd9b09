"""The fault table of RELIABILITY.md 1b.3, cell by cell, and the promises R2 to R14, measured. `make faults` runs all of it."""
