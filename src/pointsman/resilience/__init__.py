"""What a failure means (verdict.py) and the walk over a plan's targets (walk.py). Pure: I/O is given as arguments."""
