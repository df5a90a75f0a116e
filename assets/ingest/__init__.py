"""From a department's delivery to a raw frame: drop folders, exchange databases, headers, file formats.

Here belongs all that is known of how exports look. What a value must be is the catalogue's, whether a row is good is
``quality``'s; a raw frame has every cell as text, under the entry's column names.
"""
