"""``python -m realtime_transport`` is the command ``realtime-transport``."""

import sys

from realtime_transport.cli import main

sys.exit(main())
