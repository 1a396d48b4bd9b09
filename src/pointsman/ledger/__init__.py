"""Usage records: what a request cost. Pure values; storing them is store/usage.py, making them gateway/meter.py."""
