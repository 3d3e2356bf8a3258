"""The production stack: its secrets, what it refuses, how it starts, whether it is well, and its backups.

Python's standard library is enough for `env_file` and `guard`, which run before anything is installed.
"""
