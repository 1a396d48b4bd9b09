"""The commands, one noun a module. They parse words, call the admin API and show what it answered.

Nothing here decides anything about rules or keys: with a gateway running a command talks to its control
plane, without one it runs the same application in its own process (client.py). Nothing heavy is imported
before a command runs.
"""
