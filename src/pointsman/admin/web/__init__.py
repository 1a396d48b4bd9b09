"""The pages under `/ui`: templates, what they need of a browser, and one module a page (pages/). A page shows what the
routers answer and calls what they call; nothing is decided here. Not here: who may see a page (control/door.py).
"""
