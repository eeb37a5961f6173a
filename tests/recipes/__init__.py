"""Short programs that README shows or links, each run by a test."""
