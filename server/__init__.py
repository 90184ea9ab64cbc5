"""The composition root: settings, wiring, the table of acts, processes and the command line. Holds no rule."""
