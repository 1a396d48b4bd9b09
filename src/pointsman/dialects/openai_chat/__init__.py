"""OpenAI Chat Completions: its errors, the one reading of its answers, and its half of every translation."""
