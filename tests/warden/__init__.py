"""The warden: its plan as a pure state machine, and its process with engines that are small scripts of ours."""
