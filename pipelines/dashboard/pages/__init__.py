"""The pages, one module each: what an address shows, gathered for its template.

Here belong addresses and the facts of each page. Who may ask is decided in ``visits``, how it looks in ``templates``.
"""
