"""``python -m pipelines.cli``: the command as our own processes start it."""

from pipelines.cli import main

main()
