"""What vendors send, made by hand: request bodies, whole answers, streams and errors, one module a protocol.

Written from the vendors' pages and the recordings, apart from the product's own code: both cannot be wrong alike.
Every builder gives plain JSON values or bytes of the wire; nothing here knows what the gateway makes of them.
"""
