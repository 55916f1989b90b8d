"""Tests of `pipeline/runtime`."""
