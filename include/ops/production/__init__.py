"""The production stack: secrets, start-up checks, health, and backups.

`env_file` and `guard` need only Python's standard library, because they run before anything is installed.
"""
