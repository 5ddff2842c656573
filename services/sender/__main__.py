"""`python -m services.sender`: one container."""

from services.sender.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
