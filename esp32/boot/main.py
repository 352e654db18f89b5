"""What MicroPython starts. All that may ever need mending lies in a slot; see kwboot."""

import kwboot

kwboot.run()
