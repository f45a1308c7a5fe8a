"""Event features for the live transaction: state stores, replay and the stream."""

from fin_kedro.features.entity_state import EventError
from fin_kedro.online.store import Event, FeatureStore, StoreError, open_store

__all__ = ["Event", "EventError", "FeatureStore", "StoreError", "open_store"]
