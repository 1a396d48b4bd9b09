"""Ollama's own API, for clients that speak nothing else: chat, generate, embed, and the pages that tell of models.
No backend is spoken to in it: Ollama itself has OpenAI's and Anthropic's paths (docs/protocols/ollama.md)."""
