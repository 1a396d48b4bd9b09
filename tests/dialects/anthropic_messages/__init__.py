"""The Messages half of every translation."""
