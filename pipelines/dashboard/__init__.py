"""The data bureau's page 数据局看板: who is on time, whose data is bad and why, and what is being done about it.

Here belongs what people see in a browser, rendered on the server, with styles and scripts of our own and nothing from
elsewhere. What is shown is gathered by ``assets.operations`` and decided in ``quality``; nothing is judged here.
"""
