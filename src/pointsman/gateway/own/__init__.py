"""What the data plane answers or looks after by itself: probes, model lists, metrics, and the way to the control plane."""
