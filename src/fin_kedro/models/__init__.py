"""Models, born in notebooks: champion, scorecard, calibration, and their one ONNX graph."""
