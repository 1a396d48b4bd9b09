"""The table of faults (docs/reliability-promises.md#verdicts), cell by cell, and the promises R2 to
R14, measured. `make faults` runs all of it."""
