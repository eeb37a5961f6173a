"""`python -m gespoll`."""

from gespoll.cli import main

raise SystemExit(main())
