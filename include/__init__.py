"""Nightshift's shared code: plain Python that never imports Airflow."""

import os

# Threads of LightGBM and scikit-learn that wait for each other sleep instead of spinning: on a machine
# that others use too, spinning was measured to make a fit five to ten times slower. The libraries read
# this when they are loaded, which is after this line wherever they are used here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
