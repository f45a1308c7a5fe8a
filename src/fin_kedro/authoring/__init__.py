"""Notebooks into modules, and back.

`kedro notebooks` is the command line (`fin_kedro.cli.notebooks`); nbdev does the translation, the
modules of this room decide what is read and written. A file is touched only when its text changes,
and none is when a notebook cannot be exported.
"""
