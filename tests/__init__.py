"""Tests: one module a floor, the rules, the cuts and the breaks."""
