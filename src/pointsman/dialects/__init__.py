"""One folder a protocol, the same files in each. They do not see each other and do no I/O.

errors.py renders our error as the protocol's JSON, whole or in a stream. watch.py reads a stream's events as they
pass: has real output come, is it finished, what usage did it report. registry.py lists them.
"""
