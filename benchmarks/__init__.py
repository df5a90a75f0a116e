"""Side-by-side measurements: ours against a floor or a peer, in turn, in the same run.

One module per comparison; each offers ``COMPARISONS``. ``python -m benchmarks`` runs them (``make bench``).
Nothing here is imported by the program or the tests, and no test asserts a time.
"""
