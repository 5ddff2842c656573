"""`python -m services.anonymizer`: one container."""

if __name__ == "__main__":
    # Imported here because worker processes import this module again, and need none of it.
    from services.anonymizer.service import service
    from shared.service import main

    main(service)
