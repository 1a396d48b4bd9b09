"""Black-box tests: a real `pointsman serve`, real sockets, the official SDKs. Nothing of ours is imported but
the scripted upstream, and nothing is patched."""
