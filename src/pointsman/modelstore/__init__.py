"""Model files on this computer: what is there, how much memory it takes, fetching and removing it.

Not here: running them (hosts/), servers that have models loaded already.
"""
