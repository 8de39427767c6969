"""Run N peers on this machine: ``python swarm.py 10``. See ``python swarm.py --help``."""

from p2pmpc.swarm.command import main

if __name__ == "__main__":
    main()
