"""OpenAI's Embeddings: passed through, never translated. Never streams; errors are OpenAI's."""
