"""`python -m services.router`: one container."""

from services.router.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
