"""Truth: the planner's predictions against what really installs, imports and computes."""
