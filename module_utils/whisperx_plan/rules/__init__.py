"""Controller: the rules that rule releases out, one function each, in one explicit list."""
