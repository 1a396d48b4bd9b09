"""OpenAI's older Completions: passed through, never translated. Its errors and how its answers are watched."""
