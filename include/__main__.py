"""`python -m include`, which the launcher `./nightshift` runs."""

import faulthandler

from include.cli import main

faulthandler.enable()  # says where, if a library ends the process by a signal
main(prog_name="./nightshift")
