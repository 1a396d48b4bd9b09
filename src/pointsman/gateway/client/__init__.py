"""The client's side of the data plane: connections, framing, who may speak, and what a path is. Not here: what is asked."""
