"""Programs' settings files on this computer: read, shown without the keys in them, changed whole or not at all, put back.
`pointsman connect` and the page Connect both come here.

Not here: what is changed in a file's text (programs/edits), which gateway and which key (cli/, admin/).
"""
