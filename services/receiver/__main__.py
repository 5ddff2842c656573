"""python -m services.receiver: one container."""

from services.receiver.service import service
from shared.service import main

main(service)
