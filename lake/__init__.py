"""Where everything is kept: the home folder, Delta tables, landing files, and the operational ledger.

Here belongs all reading and writing of state. What the rows mean is not known here: meaning is the catalogue's,
and the builders' in ``assets``. Nothing here knows Dagster, HTTP or the command line.
"""
