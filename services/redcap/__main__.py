"""`python -m services.redcap`: one container."""

from services.redcap.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
