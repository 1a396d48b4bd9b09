"""The neutral conversation: what every dialect parses to and renders from. No vendor's field names, no I/O.

request.py: Request, Message, Tool and what goes with them. parts.py: the pieces of messages and replies. events.py: a
reply as it streams. reply.py: a whole reply, fold() and unfold(). notes.py: what a translation lost. profile.py: what
one target can take. capsule.py: opaque reasoning carried through a foreign protocol.
"""
