"""Model files on the disk: heads of GGUF files, memory, folders of others, fetching."""
