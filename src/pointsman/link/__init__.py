"""The link between data plane and control plane: typed msgpack messages over a Unix socket.

messages.py says what is said, frames.py how it is framed, client.py and server.py hold the two ends. It decides
nothing: the control plane compiles snapshots from its rows, the data plane compiles its routing table from a snapshot.
"""
