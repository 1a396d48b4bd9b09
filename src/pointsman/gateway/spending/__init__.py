"""What a request may spend: who has which limits, what it reserves before it is sent, what it took."""
