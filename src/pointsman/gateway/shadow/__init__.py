"""Shadows (docs/shadow.md): a share of what clouds have answered is asked of a local target, too, behind the client's back,
and the two answers are compared. Loaded by the first request of a rule that says so."""
