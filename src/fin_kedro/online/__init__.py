"""Event features for the live transaction: state stores, replay and the stream."""

from fin_kedro.features.event_plan import EventError
from fin_kedro.online.frames import StoreError
from fin_kedro.online.opening import open_store
from fin_kedro.online.store import Event, FeatureStore

__all__ = ["Event", "EventError", "FeatureStore", "StoreError", "open_store"]
