"""What other libraries do with the same files, in an environment of their own, ``.venv-bench``.

One module for each library; each offers functions of a folder, as a side of ours is. They import that library, Polars and
the standard library: nothing of citylake is installed there. ``benchmarks.harness.Peer`` names one of them.
"""
