"""The kernel that notebooks run on: fixed conditions, a checked environment, an honest sign.

Its name does not begin with fin_kedro, as `%reload_kedro` drops every module of that package.
"""
