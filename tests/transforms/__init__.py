"""Tests of what travels to serving."""
