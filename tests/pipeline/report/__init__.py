"""Tests of `pipeline/report`."""
