"""What a failure means and what follows from it: verdicts, breakers, cooldowns, budgets, places, and the walk over a
plan's targets. Pure: the clock, chance, sleep and I/O are given as arguments."""
