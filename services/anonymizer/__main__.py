"""`python -m services.anonymizer`: one container."""

from services.anonymizer.service import service
from shared.service import main

if __name__ == "__main__":
    main(service)
