"""Tests of pointsman.wire: bytes in, values out, so tables and properties without any socket."""
