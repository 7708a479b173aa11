"""The telephone side of a call: the messages of a provider's media stream, playback positions, silence for gaps.

`codec.MediaCodec` is what is special about a provider; everything else here holds for all of them.
"""
