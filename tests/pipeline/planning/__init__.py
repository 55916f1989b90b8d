"""Tests of `pipeline/planning`."""
