"""The sealed kernel's name, for those who ask for it: papermill's engine, managers, the lab."""

KERNEL = "fin-kedro"
