"""The HTTP gateway (接口对接): what departments push to.

Here belongs HTTP: addresses, headers, status codes, limits. It only appends to landing and reads receipts; parsing
and judging what came is a run's work, in another process.
"""
