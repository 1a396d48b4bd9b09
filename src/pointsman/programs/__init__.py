"""Rows: programs and libraries that ask models, how each is pointed at this gateway, and what it calls itself.

Text only, no HTML, and nothing is asked or written anywhere. Not here: how a page shows it (admin/web), and which program
a request is of (wire/user_agent.py).
"""
