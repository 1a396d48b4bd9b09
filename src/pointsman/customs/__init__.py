"""Customs: what of a request to another machine looks like a credential, and what is put in its place. Pure, and off until
asked for (docs/customs.md).

`rules.py` are the rules as data, `plausible.py` what a found text must be besides, `hints.py` the one look that every
body pays for, `finding.py` where in a body they stand, `own_patterns.py` the user's, `placeholders.py` what stands in
their place and `putting_back.py` how an answer gets them back. Not here: whose requests are looked through, and what is
done then (gateway/attempt/customs.py).
"""
