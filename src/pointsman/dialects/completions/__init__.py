"""OpenAI's older Completions: passed through, never translated. Its errors and the one reading of its answers."""
