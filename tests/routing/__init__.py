"""Tests of pointsman.routing: patterns against an oracle, and one table row for every rule of DESIGN.md section 2."""
