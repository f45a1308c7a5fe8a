"""The project's configuration and policy, and what a run says at its end."""
