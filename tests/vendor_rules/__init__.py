"""What each vendor demands of a request, as code, and generated conversations held against it.

A module a vendor's protocol: `chat.py`, `responses.py`, `messages.py`. Every rule is a function whose docstring quotes the
vendor and says where. They read the body that goes out, never our own types. Not here: what answers must be like
(tests/dialects, tests/conformance).
"""
