"""The contract: what every resource is, and what each kind of value must look like.

Here belong declarations and the code that reads, joins and judges them. Nothing here touches data, a database,
the network or Dagster: everything else in citylake is derived from what this package says.
"""
