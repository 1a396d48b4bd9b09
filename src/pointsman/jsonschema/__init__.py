"""JSON Schemas rewritten for a target: strict forms, subsets, grammars. Not here: which target wants which."""
