"""The parts of a watch: what arrives, how it is sent, and how its state is shown."""
