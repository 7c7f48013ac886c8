"""Controller: what a plan or refusal says to people: reasons, remedies, notes."""
