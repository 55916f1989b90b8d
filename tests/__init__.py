"""Tests; they mirror the two packages."""
