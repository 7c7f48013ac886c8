"""The parts of `make gpu-proof`: what a real GPU answers, against what probe and catalogue say."""
