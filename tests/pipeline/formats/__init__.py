"""Tests of `pipeline/formats`."""
