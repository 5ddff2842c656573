"""`python -m services.registry`: one container."""

from services.registry.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
