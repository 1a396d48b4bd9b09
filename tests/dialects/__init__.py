"""Tests of pointsman.dialects: what a watch sees however a stream is cut, and errors as the official SDKs raise them."""
