"""Usage records: what a request cost. Pure values; admin/store/usage.py stores them, gateway/request/meter.py makes them."""
