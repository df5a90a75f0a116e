"""How it runs: Dagster definitions, sensors and schedules, the gateway, and the command line.

Here belongs everything that knows a server, a scheduler or a terminal. What is computed is in ``assets``; this
package only starts it, watches it and shows it.
"""
