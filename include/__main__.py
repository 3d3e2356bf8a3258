"""`python -m include`, which the launcher `./nightshift` runs."""

from include.cli import main

main()
