"""The benchmark: what a request and a streamed event cost in Pointsman, beside nginx in the same run.

Run it with `make bench`, or `make bench ARGS="--quick --only small"`; `ARGS=--help` lists the options. It
measures; it never fails on a slow figure unless asked to (`--strict`). Not a load test of a provider: every
byte stays on this machine.
"""
