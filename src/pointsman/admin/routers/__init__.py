"""The admin API, one noun a module. An endpoint reads the request, calls one function of the store, shapes
the answer; it decides nothing else. All are plain functions, run in threads: the database is never touched
on the loop.
"""
