"""The production stack: its secrets, what it refuses, how it starts, and whether it is well.

Python's standard library is enough for `env_file` and `guard`, which run before anything is installed.
"""
