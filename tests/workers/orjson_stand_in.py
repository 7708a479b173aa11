"""As much of orjson as the package uses, on the standard library."""

import json

JSONDecodeError = json.JSONDecodeError
OPT_NON_STR_KEYS = 4


def loads(data):
    return json.loads(bytes(data) if isinstance(data, memoryview) else data)


def dumps(value, default=None, option=None):
    return json.dumps(value, default=default, ensure_ascii=False, separators=(",", ":")).encode()
