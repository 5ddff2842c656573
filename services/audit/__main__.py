"""`python -m services.audit`: one container."""

from services.audit.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
