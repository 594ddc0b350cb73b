"""Let one environment see another's packages after its own: share_packages.py OWNER_PREFIX, run by the borrower.

qwen-tts needs an older transformers than the main environment, but the same torch: torch is installed once.
"""

import sys
import sysconfig
from pathlib import Path

owner = Path(sys.argv[1]).resolve()
own_packages = Path(sysconfig.get_path("purelib"))
shared_packages = owner / own_packages.relative_to(Path(sys.prefix).resolve())
if not shared_packages.is_dir():
    sys.exit(f"{shared_packages} does not exist; make the main environment first")
# addsitedir, unlike a plain path, also follows the .pth files in there (the project's editable install)
(own_packages / "shared.pth").write_text(f"import site; site.addsitedir({str(shared_packages)!r})\n")
