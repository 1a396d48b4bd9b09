"""Snippets for programs: parsed, and run as they are shown."""
