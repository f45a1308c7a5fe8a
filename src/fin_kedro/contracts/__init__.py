"""Data contracts: one Open Data Contract Standard file states each column once, for every stage."""

from fin_kedro.contracts.model import Column, Contract, ContractError
from fin_kedro.contracts.requests import request_model

__all__ = ["Column", "Contract", "ContractError", "request_model"]
