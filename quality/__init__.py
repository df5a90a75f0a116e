"""Judging rows: catalogue entry → Great Expectations' language → one lazy Polars plan → results, scores, deadlines.

Here belong pure functions over expressions and counts. Nothing here reads or writes data, knows Dagster, or knows
where a table lies; reading and writing is ``lake``'s and ``assets``'.
"""
