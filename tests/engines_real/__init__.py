"""Real engines: our MLX host, `mlx_lm.server`, llama.cpp through our host, on a tiny model of ours. Skipped loudly where absent."""
