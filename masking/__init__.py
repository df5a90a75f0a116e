"""What lifts a column from one sharing or opening type to the next, and how that is proved.

``methods`` are the masks, one function each; ``policy`` says which mask lifts which column how far (a
reviewed table, not code); ``product`` is what a masked table's YAML declares; ``compile`` turns declarations
into Polars expressions; ``risk`` measures what is left; ``keys`` derives each recipient's key. No I/O but the
catalogue's files.
"""
