"""What attackers and broken peers send, byte by byte: to the server, and from a backend. Each with its outcome."""
