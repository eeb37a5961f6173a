"""Deliberate breaks of the library, and the proof that a test notices each.

`python -m tests.mutations` runs the tests that must notice breaks as the library is, and then once with each break,
in a process of its own; it ends with status 1 if any break goes unnoticed.
`python -m tests.mutations WORD` tries those whose rule, name, function or tests hold the word.

Rule: a break is a function that takes the place of another one. No file is changed, and no line is quoted.
"""
