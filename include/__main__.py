"""`python -m include`, which the launcher `./nightshift` runs."""

from include.cli import main

main(prog_name="./nightshift")
