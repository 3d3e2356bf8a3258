"""Nightshift's steps as plain Python: everything that does not need Airflow."""
