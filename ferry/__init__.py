"""What crosses between two networks that nothing else joins: signed and encrypted parcels, in ordered lanes."""
