"""`python -m services.janitor`: one container."""

from services.janitor.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
