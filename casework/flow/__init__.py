"""The approval flow: steps, tasks, decisions (FLOW)."""
