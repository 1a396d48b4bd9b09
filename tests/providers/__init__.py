"""Tests of providers: base URLs and addresses."""
