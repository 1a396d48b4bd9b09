"""Small programs of ours that run a model as a child process: MLX, llama.cpp. And the commands that start them.

Not here: who starts, watches and stops them, model files (modelstore/), the gateway: nothing of it imports an engine.
"""
