"""Peers and this project side by side; not part of the test suite."""
