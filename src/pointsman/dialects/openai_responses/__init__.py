"""OpenAI Responses. Today: its errors and how its answers are watched; translation is not here yet."""
