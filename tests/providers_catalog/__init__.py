"""Tests of pointsman.providers.catalog and auth (urls and addresses have theirs in tests/providers)."""
