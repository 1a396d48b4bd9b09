"""A program's settings file changed in as few places as can be: JSON with comments, TOML and YAML, text in, text out.

What is not touched keeps its bytes: comments, order, quotes, line ends. Every change is read again by a parser before
anybody gets it, and one that came out otherwise is refused. Not here: files (programs/files), and what is written into
which (programs/agents.py and its neighbours).
"""
