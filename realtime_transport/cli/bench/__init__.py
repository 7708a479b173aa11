"""``realtime-transport bench``: play a corpus, compare two runs, make a corpus."""
