"""The rows of engines, over scripted engines on real sockets and over what real ones answered."""
