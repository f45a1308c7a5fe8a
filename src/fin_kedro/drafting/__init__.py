"""From a file to a contract: the file is looked at, and each guess has its reason."""
