"""Controller: the decision as others read it: fields of a plan, JSON document, table, page, comparison."""
