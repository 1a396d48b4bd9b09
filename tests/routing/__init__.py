"""Tests of pointsman.routing: patterns against an oracle, and one table row for every rule of
docs/design.md#patterns-and-the-order-of-rules."""
