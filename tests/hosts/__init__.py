"""Hosts that run a model as a child, without an engine: HTTP, requests, answers, stop strings, commands."""
