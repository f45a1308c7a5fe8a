"""Event features for the live transaction: state stores, replay and the stream."""
