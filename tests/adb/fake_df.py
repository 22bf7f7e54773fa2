"""`df -k` of the fake phone."""

import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
phone = json.loads((folder / "phone.json").read_text())
room = phone.get("says_room", phone["room"])
used = sum(path.stat().st_size for path in (folder / "root/data").rglob("*") if path.is_file())
sys.stdout.write("Filesystem       1K-blocks   Used Available Use% Mounted on\n")
sys.stdout.write(
    f"/dev/block/dm-45 {room // 1024} {used // 1024} {(room - used) // 1024} 1% /data\n"
)
