"""The families whose libraries requirements-extras.txt installs, one module each."""
