"""The test runner: what runs, side by side as far as the machine allows, and one honest count."""
