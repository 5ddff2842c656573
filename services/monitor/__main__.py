"""`python -m services.monitor`: one container."""

from services.monitor.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
