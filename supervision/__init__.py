"""Electronic supervision (电子监察): lights turn by themselves, people issue cards; orders and their papers."""
