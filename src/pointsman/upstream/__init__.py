"""The only outbound network. egress.py opens connections and guards addresses, pool.py keeps them, connection.py
speaks HTTP/1.1 on one, backend.py turns a row into request heads, fetch.py and probe.py ask small questions.

Not here: which backend a request goes to, and what happens when it fails.
"""
