"""The composition root: settings, wiring, the table of acts, processes and the command line. Holds no rule."""

import gc

# Reading the program makes two hundred thousand objects that stay. Python looks for dead ones after every seven
# hundred new ones, and through all of them again and again: a fifth of every start, and later a share of every act.
gc.set_threshold(50_000, 20, 20)
