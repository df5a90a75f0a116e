"""The root of what a person can mend: ``citylake`` prints these as one message and ends with code 1.

Here belongs only the root. Each error stands in the module that raises it, names what it is about and says what to do
next, and holds no personal value. Anything that is not one of these is a bug and shows its traceback.

::

    MendableError
    ├── catalog    CatalogueError, UnknownModelError, UnknownResourceError
    ├── masking    WeakKeyError
    ├── lake       KeyFileError, LedgerError (and below it), PushRefusedError (and below it), SchemaChangeError,
    │              TableBusyError, TableMissingError
    ├── assets     DecisionError, ExchangeError, LinkageError, OpenLogError, UnknownBaseError, UnknownEntityError,
    │              UnreadableError, WithdrawalError
    └── pipelines  AccountError, ExposedError, LinkedFileError, PortTakenError, QueryError, ResourceCodeError,
                   SelectionError, UnknownDepartmentError
"""

from __future__ import annotations


class MendableError(Exception):
    """A mistake in a file, a setting or a request; its message says how to mend it."""
