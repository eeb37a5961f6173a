"""Benchmarks: gespoll beside what people write instead, in the same run, on the same seeds.

Rule: a figure is a ratio to a peer that ran beside it. No workload is chosen for its outcome, and
what is not reached is printed as not reached.
"""
